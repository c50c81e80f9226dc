--- How the server is started, and where it attaches.
local M = {}

---@class mvm.Options
---@field cmd? string[]                 how the server is started; default: `{ 'mvm-lsp' }`
---@field settings? table               settings of the server, as under `mvm` in other editors
---@field split? string                 how the preview opens; default: `botright vertical`
---@field fallback? boolean             use `vim.lsp.start` even where `vim.lsp.enable` is there

---@type mvm.Options
M.options = { cmd = { 'mvm-lsp' }, settings = {}, split = 'botright vertical' }

--- Takes the user's options.
---@param options? mvm.Options
function M.set(options)
  M.options = vim.tbl_deep_extend('force', M.options, options or {})
end

--- Lines read in search of mvm: what declares a workload imports it near the top, but nothing forces it to.
local LIMIT = 20000

--- Does the buffer mention mvm as a word?
---@param bufnr integer
---@return boolean
function M.mentions(bufnr)
  for _, line in ipairs(vim.api.nvim_buf_get_lines(bufnr, 0, LIMIT, false)) do
    if line:find('%f[%w_]mvm%f[^%w_]') then
      return true
    end
  end
  return false
end

local MARKERS = { 'mvm.toml', 'pyproject.toml', '.git' }

local function root_of(bufnr)
  local path = vim.api.nvim_buf_get_name(bufnr)
  local from = path ~= '' and vim.fn.fnamemodify(path, ':p:h') or vim.fn.getcwd()
  local directory = from
  while true do
    for _, marker in ipairs(MARKERS) do
      if vim.loop.fs_stat(directory .. '/' .. marker) then
        return directory
      end
    end
    local parent = vim.fn.fnamemodify(directory, ':h')
    if parent == directory then
      return from
    end
    directory = parent
  end
end

--- Calls back with the root of the project once the buffer mentions mvm: now, or after the edit that brings it in.
---@param bufnr integer
---@param on_dir fun(root: string)
function M.root_dir(bufnr, on_dir)
  if vim.bo[bufnr].buftype ~= '' then
    return
  end
  if M.mentions(bufnr) then
    return on_dir(root_of(bufnr))
  end
  local group = vim.api.nvim_create_augroup('mvm.waiting.' .. bufnr, { clear = true })
  vim.api.nvim_create_autocmd({ 'InsertLeave', 'TextChanged', 'BufWritePost' }, {
    group = group,
    buffer = bufnr,
    callback = function()
      if M.mentions(bufnr) then
        vim.api.nvim_del_augroup_by_id(group)
        on_dir(root_of(bufnr))
      end
    end,
  })
end

--- Configuration for `vim.lsp.config` and `vim.lsp.start`.
---@return table
function M.lsp()
  local capabilities = vim.lsp.protocol.make_client_capabilities()
  capabilities.experimental = { mvm = true }
  local options = vim.tbl_extend('force', M.options.settings, { clientPreview = true })
  return {
    name = 'mvm_lsp',
    cmd = M.options.cmd,
    filetypes = { 'python' },
    root_dir = M.root_dir,
    capabilities = capabilities,
    init_options = options,
    settings = { mvm = options },
    handlers = {
      ['mvm/workloadIrChanged'] = function(_, result)
        require('mvm.preview').changed(result)
      end,
      ['mvm/output'] = function(_, result)
        require('mvm.jobs').append(result)
      end,
    },
    commands = {
      ['mvm.showIr'] = function(command)
        require('mvm.preview').open(vim.uri_to_bufnr(command.arguments[1].uri))
      end,
      ['mvm.build'] = function(command)
        require('mvm.jobs').start('mvm.build', command.arguments[1])
      end,
      ['mvm.run'] = function(command)
        require('mvm.jobs').start('mvm.run', command.arguments[1])
      end,
    },
  }
end

return M
