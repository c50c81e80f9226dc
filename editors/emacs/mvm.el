;;; mvm.el --- mvm-lsp in Emacs -*- lexical-binding: t -*-

;; Package-Requires: ((emacs "28.1") (eglot "1.9"))
;; Version: 0.1.0

;;; Commentary:

;; Starts mvm-lsp with Eglot in Python buffers that use mvm, and shows the
;; Workload IR of a declaration.  Eglot runs one server in a buffer: where
;; another Python server is wanted as well, use lsp-mode, for which
;; `mvm-lsp-mode-setup' registers mvm-lsp as an add-on.

;;; Code:

(require 'cl-lib)
(require 'eglot)
(require 'subr-x)

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

(declare-function lsp-request "ext:lsp-mode")
(declare-function lsp-request-async "ext:lsp-mode")
(declare-function lsp--buffer-uri "ext:lsp-mode")

(defconst mvm--patience (* 24 60 60)
  "A build or a run takes as long as it takes; `mvm-stop' ends it.")

(defun mvm--arguments (text)
  "The arguments of a call that TEXT gives, which is JSON; nil where it is empty.
They are as both clients send them."
  (unless (string-blank-p text)
    (json-parse-string text :null-object nil :false-object :json-false)))

(defun mvm--params (command &optional arguments)
  "Parameters of COMMAND for this file, with ARGUMENTS of a call."
  (let ((uri (if (eglot-current-server)
                 (plist-get (eglot--TextDocumentIdentifier) :uri)
               (lsp--buffer-uri))))
    (list :command command
          :arguments (vector (append (list :uri uri) (when arguments (list :arguments arguments)))))))

(defun mvm--execute (command)
  "Run COMMAND of the server for this file, and give its answer.
The server is Eglot's, or else that of lsp-mode."
  (let ((eglot (eglot-current-server)) (params (mvm--params command)))
    (if eglot
        (jsonrpc-request eglot :workspace/executeCommand params)
      (lsp-request "workspace/executeCommand" params))))

(defun mvm--start (command &optional arguments)
  "Start COMMAND of the server for this file, with ARGUMENTS of a call.
Its output goes to a buffer of its own, and how it ended is said."
  (let ((eglot (eglot-current-server))
        (params (mvm--params command arguments))
        (ended (lambda (answer) (mvm--say (mvm--get answer :summary))))
        (failed (lambda (why) (mvm--say (mvm--get why :message)))))
    (mvm--append (format "--- %s\n" command))
    (display-buffer (mvm--output))
    (if eglot
        (jsonrpc-async-request eglot :workspace/executeCommand params :timeout mvm--patience
                               :success-fn ended :error-fn failed)
      (lsp-request-async "workspace/executeCommand" params ended :error-handler failed :mode 'detached))))

(defun mvm--output ()
  "The buffer with the output of builds and runs."
  (or (get-buffer "*mvm output*")
      (with-current-buffer (get-buffer-create "*mvm output*")
        (setq buffer-read-only t)
        (current-buffer))))

(defun mvm--append (text)
  "Append TEXT of a guest, which may hold anything, to the output."
  (with-current-buffer (mvm--output)
    (let ((inhibit-read-only t))
      (save-excursion
        (goto-char (point-max))
        (insert (replace-regexp-in-string "\e\\[[0-9;]*[A-Za-z]\\|\r$" "" text))))))

(defun mvm--say (text)
  "Tell how something ended: TEXT, here and in the output."
  (mvm--append (concat text "\n"))
  (message "mvm: %s" (truncate-string-to-width text 500 nil nil t)))

(cl-defmethod eglot-handle-notification (_server (_method (eql 'mvm/output)) &key text &allow-other-keys)
  "Show TEXT of a build or a run."
  (mvm--append text))

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
  (mvm--start "mvm.build"))

(defun mvm-run (arguments)
  "Run the declared function with ARGUMENTS.
They are JSON: an object by name, or a list by position.  Without them
it is called with those of the last run."
  (interactive "sArguments as JSON (empty: the last ones): ")
  (mvm--start "mvm.run" (mvm--arguments arguments)))

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
                    :notification-handlers
                    (let ((handlers (make-hash-table :test #'equal)))
                      (puthash "mvm/output"
                               (lambda (_workspace params) (mvm--append (mvm--get params :text)))
                               handlers)
                      handlers)
                    :custom-capabilities '((experimental (mvm . t)))
                    :add-on? t
                    :server-id 'mvm-lsp)))

(provide 'mvm)
;;; mvm.el ends here
