--- `:checkhealth mvm`
local M = {}

--- The reports, by their names of today, in every version.
local health = vim.health or require('health')
for _, name in ipairs({ 'start', 'ok', 'warn', 'error', 'info' }) do
  health[name] = health[name] or health['report_' .. name]
end

local function run(command)
  if vim.system then
    local done = vim.system(command, { text = true, timeout = 10000 }):wait()
    return done.code, (done.stdout or '') .. (done.stderr or '')
  end
  local text = vim.fn.system(command)
  return vim.v.shell_error, text
end

local function server()
  local command = require('mvm.config').options.cmd[1]
  if vim.fn.executable(command) == 0 then
    return health.error(
      ('%s is not an executable on PATH'):format(command),
      { 'Install it: cargo install --path server', "Or set the path: require('mvm').setup({ cmd = { '/path/to/mvm-lsp' } })" }
    )
  end
  local ok, code, text = pcall(run, { command, '--version' })
  if ok and code == 0 then
    return health.ok(vim.trim(text))
  end
  health.error(('%s --version failed: %s'):format(command, ok and vim.trim(text) or code))
end

local function clients()
  local list = require('mvm.client').all()
  if #list == 0 then
    return health.info('the server is not attached: open a Python file that uses mvm')
  end
  for _, client in ipairs(list) do
    local buffers = vim.tbl_count(client.attached_buffers or {})
    health.ok(('running in %s, %d buffer(s), %s'):format(client.config.root_dir or '?', buffers, client.offset_encoding))
  end
end

local function machine()
  if vim.fn.executable('mvmctl') == 0 then
    return health.warn('mvmctl is not on PATH', { 'Without it this check cannot ask whether this machine can run guests' })
  end
  local ok, code, text = pcall(run, { 'mvmctl', 'doctor' })
  local lines = ok and vim.trim(text) or tostring(code)
  if ok and code == 0 then
    return health.ok('mvmctl doctor:\n' .. lines)
  end
  health.warn('mvmctl doctor finds something missing:\n' .. lines)
end

--- Checks Neovim, the server, and the machine.
function M.check()
  health.start('mvm: Neovim')
  if vim.lsp.enable then
    health.ok('vim.lsp.enable is there')
  else
    health.warn('Neovim is older than 0.11: the plugin falls back to vim.lsp.start')
  end
  health.start('mvm: server')
  server()
  clients()
  health.start('mvm: this machine')
  machine()
end

return M
