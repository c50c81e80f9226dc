-- The plugin as Neovim 0.11 finds it by itself: on 'runtimepath', with `vim.lsp.enable` and no set-up, mvm-lsp on PATH.
--   MVM_TEST_EXAMPLES=… nvim --clean --headless --cmd 'set rtp^=…/editors/nvim' -S tests/enable.lua
local examples = vim.env.MVM_TEST_EXAMPLES

local function eventually(what, condition)
  assert(vim.wait(60000, condition, 10), what .. ' did not come to pass')
end

local function attached(bufnr)
  return function()
    local client = vim.lsp.get_clients({ bufnr = bufnr, name = 'mvm_lsp' })[1]
    return client ~= nil and client.initialized == true
  end
end

local function run()
  vim.lsp.enable('mvm_lsp')
  vim.cmd.edit(examples .. '/insecure/insecure.py')
  local bufnr = vim.api.nvim_get_current_buf()
  eventually('the server attaches', attached(bufnr))
  eventually('findings', function()
    return #vim.diagnostic.get(bufnr) > 5
  end)
  vim.cmd('MvmIr')
  eventually('the preview', function()
    local preview = require('mvm.preview').of(bufnr)
    return preview ~= nil and preview.buffer ~= nil and #preview.pointers > 10
  end)
  -- As every plugin manager does.
  vim.cmd.helptags(vim.fs.dirname(vim.api.nvim_get_runtime_file('doc/mvm.txt', false)[1]))
  vim.cmd.help('mvm-preview')
  assert(vim.api.nvim_get_current_line():find('The preview', 1, true), vim.api.nvim_get_current_line())
end

vim.api.nvim_create_autocmd('VimEnter', {
  callback = vim.schedule_wrap(function()
    local ok, why = xpcall(run, debug.traceback)
    io.stdout:write((ok and 'ok   ' or 'FAIL ') .. 'vim.lsp.enable alone' .. (ok and '' or '\n' .. why) .. '\n')
    for _, client in ipairs(vim.lsp.get_clients()) do
      client:stop(true)
    end
    vim.cmd(ok and 'quitall!' or 'cquit 1')
  end),
})
