--- mvm-lsp in Neovim: `require('mvm').setup()` starts the server where a Python file uses mvm.
local M = {}

--- Starts the server for Python files that mention mvm.
---
--- Neovim 0.11 and newer: the same as `vim.lsp.enable('mvm_lsp')`. Older: an autocommand and `vim.lsp.start`,
--- or what that does, back to 0.7.
---@param options? mvm.Options
function M.setup(options)
  local config = require('mvm.config')
  config.set(options)
  if vim.lsp.enable and not config.options.fallback then
    vim.lsp.config('mvm_lsp', config.lsp())
    vim.lsp.enable('mvm_lsp')
    return
  end
  local group = vim.api.nvim_create_augroup('mvm', { clear = true })
  vim.api.nvim_create_autocmd('FileType', {
    group = group,
    pattern = 'python',
    callback = function(event)
      M.start(event.buf)
    end,
  })
  for _, bufnr in ipairs(vim.api.nvim_list_bufs()) do
    if vim.api.nvim_buf_is_loaded(bufnr) and vim.bo[bufnr].filetype == 'python' then
      M.start(bufnr)
    end
  end
end

--- What `vim.lsp.start` does, for versions before 0.8, which do not have it: one server a root.
local function start(client, bufnr)
  if vim.lsp.start then
    return vim.lsp.start(client, { bufnr = bufnr })
  end
  local id
  for _, other in ipairs(require('mvm.client').all()) do
    if other.config.root_dir == client.root_dir and not other.is_stopped() then
      id = other.id
    end
  end
  vim.lsp.buf_attach_client(bufnr, id or vim.lsp.start_client(client))
end

--- Attaches the server to a buffer, now or as soon as it mentions mvm, without `vim.lsp.enable`.
---@param bufnr integer
function M.start(bufnr)
  local config = require('mvm.config')
  config.root_dir(bufnr, function(root)
    local client = vim.tbl_extend('force', config.lsp(), { root_dir = root })
    vim.schedule(function()
      if vim.api.nvim_buf_is_loaded(bufnr) then
        start(client, bufnr)
      end
    end)
  end)
end

return M
