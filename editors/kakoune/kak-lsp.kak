# Into ~/.config/kak/kakrc, after kak-lsp is set up (kakoune-lsp 18 or newer).
hook -group mvm global BufSetOption filetype=python %{
    set-option -add buffer lsp_servers %{
        [mvm-lsp]
        command = "mvm-lsp"
        root_globs = ["mvm.toml", "pyproject.toml", ".git"]
    }
}
# The Workload IR of the only declaration in the file, as the server shows it.
define-command mvm-ir -docstring 'show the Workload IR of this file' %{
    lsp-execute-command mvm.showIr "[{""uri"":""file://%val{buffile}""}]"
}
