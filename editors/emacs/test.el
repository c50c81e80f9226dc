;;; test.el --- mvm.el in a real Emacs against the real server -*- lexical-binding: t -*-

;; emacs -q --batch -l test.el SERVER EXAMPLES

(setq load-prefer-newer t)
(add-to-list 'load-path (file-name-directory load-file-name))
(package-initialize)
(require 'mvm)
(require 'test-support)
(require 'flymake)

(setq eglot-autoshutdown t
      eglot-confirm-server-initiated-edits nil)

(defun test-open (name text)
  "Open a file NAME with TEXT in a project of its own, with the server."
  (let* ((directory (make-temp-file (expand-file-name "project" test-root) t))
         (file (expand-file-name name directory)))
    (make-directory (expand-file-name ".git" directory))
    (write-region text nil file nil 'silent)
    (switch-to-buffer (find-file-noselect file))
    (setq-local eglot-server-programs `((python-mode ,mvm-server)))
    (apply #'eglot (eglot--guess-contact))
    (test-until "the server attaches" #'eglot-current-server)))

(test-case "it is used where mvm is mentioned"
  (with-temp-buffer (insert "mvmlike = 1") (cl-assert (not (mvm-used-p))))
  (with-temp-buffer (insert "import mvm") (cl-assert (mvm-used-p))))

(test-case "the IR is shown"
  (test-open "hello.py" (test-example "hello/hello.py"))
  (with-current-buffer (mvm-show-ir)
    (cl-assert (string-match-p "\"name\": \"hello\"" (buffer-string)))
    (cl-assert (string-match-p "[0-9a-f]\\{64\\}" header-line-format))))

(test-case "a finding is shown and its fix applied"
  (test-open "fix.py" "import mvm\n\n\n@mvm.app(imag=mvm.nix_packages([\"python3\"]))\ndef run() -> None:\n    pass\n")
  (test-until "the finding"
              (lambda ()
                (flymake-start)
                (cl-some (lambda (d) (string-match-p "no argument `imag`" (flymake-diagnostic-text d)))
                         (flymake-diagnostics))))
  (goto-char (point-min))
  (search-forward "imag")
  (backward-char 2)
  (let ((actions (eglot-code-actions (point) (point) "quickfix")))
    (let ((fix (cl-find-if (lambda (a) (string-match-p "image" (plist-get a :title))) actions)))
      (cl-assert fix)
      (eglot--apply-workspace-edit (plist-get fix :edit))))
  (cl-assert (string-match-p "@mvm.app(image=" (buffer-string))))

(test-case "hover tells about a helper"
  (test-open "tool.py" (test-example "agent-tool/tool.py"))
  (goto-char (point-min))
  (search-forward "mvm.secr")
  (let ((hover (jsonrpc-request (eglot--current-server-or-lose) :textDocument/hover
                                (eglot--TextDocumentPositionParams))))
    (cl-assert (string-match-p "secret" (plist-get (plist-get hover :contents) :value)))))

(test-case "a refused build says why, in a buffer of its own"
  (test-open "insecure.py" (test-example "insecure/insecure.py"))
  (test-refused-build))

(test-case "arguments of a call are sent as they are given"
  (test-arguments #'jsonrpc--json-encode))

(test-end)
;;; test.el ends here
