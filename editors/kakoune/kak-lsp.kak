# Into ~/.config/kak/kakrc, after kak-lsp is set up (kakoune-lsp 18 or newer).
hook -group mvm global BufSetOption filetype=python %{
    evaluate-commands %sh{
        # Beside the servers that are there already, and once.
        case "$kak_opt_lsp_servers" in
            *'[mvm-lsp]'*) ;;
            *) echo 'set-option -add buffer lsp_servers %{
                [mvm-lsp]
                command = "mvm-lsp"
                root_globs = ["mvm.toml", "pyproject.toml", ".git"]
            }' ;;
        esac
    }
}
# The Workload IR of the declaration in the file, as it was saved: kakoune-lsp cannot show the document that the server
# offers, so that the compiler is asked.
define-command mvm-ir -docstring 'show the Workload IR of this file' %{
    evaluate-commands %sh{
        text=$(mktemp)
        { mvmctl compile "$kak_buffile" --out - | python3 -m json.tool; } > "$text" 2>&1
        printf '%s\n' "edit! -scratch *mvm-ir*" "execute-keys '%|cat $text; rm $text<ret>gg'" \
            "set-option buffer filetype json"
    }
}
