;;; mvm.el --- mvm-lsp in Emacs -*- lexical-binding: t -*-

;; Package-Requires: ((emacs "28.1") (eglot "1.9"))
;; Version: 0.1.0

;;; Commentary:

;; Starts mvm-lsp with Eglot in Python buffers that use mvm, and shows the
;; Workload IR of a declaration.  Eglot runs one server in a buffer: where
;; another Python server is wanted as well, use lsp-mode, for which
;; `mvm-lsp-mode-setup' registers mvm-lsp as an add-on.

;;; Code:

(require 'eglot)
(require 'seq)

(defgroup mvm nil "Python functions in microVMs." :group 'tools)

(defcustom mvm-server "mvm-lsp"
  "Program of the language server."
  :type 'string)

(defun mvm-used-p ()
  "Non-nil when the buffer mentions mvm."
  (save-excursion
    (goto-char (point-min))
    (re-search-forward "\\_<mvm\\_>" nil t)))

;;;###autoload
(defun mvm-ensure ()
  "Start the server when the buffer uses mvm.  For `python-mode-hook'."
  (when (mvm-used-p)
    (setq-local eglot-server-programs
                (cons `((python-mode python-ts-mode) ,mvm-server) eglot-server-programs))
    (eglot-ensure)))

(declare-function lsp-get "ext:lsp-mode")
(declare-function lsp-request "ext:lsp-mode")
(declare-function lsp--buffer-uri "ext:lsp-mode")
(defvar lsp-response-timeout)

(defun mvm--execute (command &optional arguments)
  "Run COMMAND of the server for this file, with ARGUMENTS of a call.
The server is Eglot's, or else that of lsp-mode."
  (let* ((eglot (eglot-current-server))
         (uri (if eglot (plist-get (eglot--TextDocumentIdentifier) :uri) (lsp--buffer-uri)))
         (target (append (list :uri uri) (when arguments (list :arguments arguments))))
         (params (list :command command :arguments (vector target))))
    (if eglot
        (jsonrpc-request eglot :workspace/executeCommand params :timeout 600)
      (let ((lsp-response-timeout 600))
        (lsp-request "workspace/executeCommand" params)))))

(defun mvm--get (answer key)
  "KEY of an ANSWER of the server, which lsp-mode gives as a hash table."
  (if (hash-table-p answer)
      (gethash (substring (symbol-name key) 1) answer)
    (plist-get answer key)))

(defun mvm-show-ir ()
  "Show the Workload IR of the declaration in this file."
  (interactive)
  (let ((answer (mvm--execute "mvm.showIr")))
    (with-current-buffer (get-buffer-create (format "*mvm ir %s*" (mvm--get answer :id)))
      (let ((inhibit-read-only t))
        (erase-buffer)
        (insert (mvm--get answer :text))
        (goto-char (point-min)))
      (when (fboundp 'js-json-mode) (js-json-mode))
      (setq buffer-read-only t
            header-line-format (format " %s" (mvm--get answer :irHash)))
      (display-buffer (current-buffer))
      (current-buffer))))

(defun mvm-build ()
  "Build the declaration in this file."
  (interactive)
  (message "mvm: %s" (mvm--get (mvm--execute "mvm.build") :summary)))

(defun mvm-run (arguments)
  "Run the declared function with ARGUMENTS, which are JSON."
  (interactive "sArguments as JSON: ")
  (let ((values (unless (string-empty-p arguments) (json-parse-string arguments :object-type 'plist))))
    (message "mvm: %s" (mvm--get (mvm--execute "mvm.run" values) :summary))))

(defun mvm-stop ()
  "Stop what builds or runs for this file."
  (interactive)
  (mvm--execute "mvm.stop"))

(declare-function lsp-register-client "ext:lsp-mode")
(declare-function make-lsp-client "ext:lsp-mode")
(declare-function lsp-stdio-connection "ext:lsp-mode")

;;;###autoload
(defun mvm-lsp-mode-setup ()
  "Register mvm-lsp with lsp-mode, beside other Python servers."
  (require 'lsp-mode)
  (lsp-register-client
   (make-lsp-client :new-connection (lsp-stdio-connection (lambda () (list mvm-server)))
                    :activation-fn (lambda (file _mode)
                                     (and (string-suffix-p ".py" file) (mvm-used-p)))
                    :add-on? t
                    :server-id 'mvm-lsp)))

(provide 'mvm)
;;; mvm.el ends here
