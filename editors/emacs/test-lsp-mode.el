;;; test-lsp-mode.el --- mvm.el with lsp-mode in a real Emacs against the real server -*- lexical-binding: t -*-

;; emacs -q --batch -l test-lsp-mode.el SERVER EXAMPLES

(setq load-prefer-newer t)
(add-to-list 'load-path (file-name-directory load-file-name))
(package-initialize)
(require 'lsp-mode)
(require 'flymake)
(require 'mvm)
(require 'test-support)

(setq lsp-session-file (expand-file-name "session" test-root)
      lsp-server-install-dir (expand-file-name "servers" test-root)
      lsp-auto-guess-root t
      lsp-enable-suggest-server-download nil
      lsp-enable-file-watchers nil
      lsp-diagnostics-provider :flymake
      lsp-before-save-edits nil
      lsp-warn-no-matched-clients nil
      vc-handled-backends nil)
(make-directory (expand-file-name ".git" test-root))
(mvm-lsp-mode-setup)

(defun test-open (name text)
  "Open a file NAME with TEXT, and start what lsp-mode starts for it."
  (let ((file (expand-file-name name test-root)))
    (write-region text nil file nil 'silent)
    (switch-to-buffer (find-file-noselect file))
    (lsp)))

(defun test-attached ()
  "Wait until our server is ready for the current buffer."
  (test-until "the server attaches"
              (lambda ()
                (cl-some (lambda (workspace)
                           (and (eq (lsp--workspace-server-id workspace) 'mvm-lsp)
                                (eq (lsp--workspace-status workspace) 'initialized)))
                         (lsp-workspaces)))))

(test-case "the server stays away from a file that does not use mvm"
  (test-open "other.py" "x = 1\n")
  (cl-assert (null (lsp-workspaces))))

(test-case "a finding is shown and its fix applied"
  (test-open "fix.py" "import mvm\n\n\n@mvm.app(imag=mvm.nix_packages([\"python3\"]))\ndef run() -> None:\n    pass\n")
  (test-attached)
  (test-until "the finding"
              (lambda ()
                (cl-some (lambda (d) (string-match-p "no argument `imag`" (lsp-get d :message)))
                         (gethash (buffer-file-name) (lsp-diagnostics)))))
  (goto-char (point-min))
  (search-forward "imag")
  (backward-char 2)
  (let ((fix (cl-find-if (lambda (action) (string-match-p "image" (lsp-get action :title)))
                         (lsp-code-actions-at-point))))
    (cl-assert fix)
    (lsp-execute-code-action fix))
  (test-until "the fix" (lambda () (string-match-p "@mvm.app(image=" (buffer-string)))))

(test-case "hover tells about a helper"
  (test-open "tool.py" (test-example "agent-tool/tool.py"))
  (test-attached)
  (goto-char (point-min))
  (search-forward "mvm.secr")
  (let ((hover (lsp-request "textDocument/hover" (lsp--text-document-position-params))))
    (cl-assert (string-match-p "secret" (format "%S" hover)))))

(test-case "the IR is shown"
  (with-current-buffer (mvm-show-ir)
    (cl-assert (string-match-p "\"name\": \"agent-tool\"" (buffer-string)))))

(test-case "a refused build says why, in a buffer of its own"
  (test-open "insecure.py" (test-example "insecure/insecure.py"))
  (test-attached)
  (test-refused-build))

(test-case "arguments of a call are sent as they are given"
  (test-arguments (lambda (value) (lsp--json-serialize value))))

(test-end)
;;; test-lsp-mode.el ends here
