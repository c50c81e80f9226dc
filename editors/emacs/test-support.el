;;; test-support.el --- what the tests in both clients share -*- lexical-binding: t -*-

;; The command line of both: SERVER EXAMPLES.

(require 'cl-lib)
(require 'mvm)

(defvar test-root (make-temp-file "mvm-emacs" t))
(defvar test-failed 0)
(defvar test-passed 0)

(setq mvm-server (expand-file-name (pop command-line-args-left)))
(defvar test-examples (expand-file-name (pop command-line-args-left)))

(defun test-until (what condition)
  "Wait until CONDITION holds; fail with WHAT."
  (let ((end (+ (float-time) 180)) value)
    (while (not (or (setq value (funcall condition)) (> (float-time) end)))
      (accept-process-output nil 0.05))
    (or value (error "%s did not come to pass" what))))

(defun test-example (name)
  "The text of an example."
  (with-temp-buffer
    (insert-file-contents (expand-file-name name test-examples))
    (buffer-string)))

(defmacro test-case (name &rest body)
  "Run BODY as the test NAME."
  `(condition-case why
       (progn ,@body (cl-incf test-passed) (message "ok   %s" ,name))
     (error (cl-incf test-failed) (message "FAIL %s: %S" ,name why))))

(defun test-refused-build ()
  "Build what the current buffer declares, which cannot be built."
  (mvm-build)
  (test-until "the refusal"
              (lambda ()
                (with-current-buffer "*mvm output*"
                  (string-match-p "has errors and cannot be built" (buffer-string))))))

(defun test-arguments (encode)
  "Hold what ENCODE, of a client, makes of the arguments of a call against what was given."
  (dolist (text '("{}" "[]" "{\"a\":false,\"b\":{},\"c\":null,\"d\":[],\"e\":[{\"f\":true}]}"))
    (cl-assert (equal text (replace-regexp-in-string "\\s-" "" (funcall encode (mvm--arguments text)))) t))
  (cl-assert (null (mvm--arguments " ")))
  (mvm--append "a\e[31mred\e[0m\nb\r\n")
  (with-current-buffer (mvm--output)
    (cl-assert (string-suffix-p "ared\nb\n" (buffer-string)))))

(defun test-end ()
  "Clear away, say how many passed, and end Emacs."
  (delete-directory test-root t)
  (message "%d passed, %d failed" test-passed test-failed)
  (kill-emacs (if (and (zerop test-failed) (> test-passed 0)) 0 1)))

(provide 'test-support)
;;; test-support.el ends here
