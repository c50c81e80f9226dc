-- Configuration of mvm-lsp for `vim.lsp.enable('mvm_lsp')` (Neovim 0.11 and newer).
return require('mvm.config').lsp()
