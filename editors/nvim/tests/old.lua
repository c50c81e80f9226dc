-- The plugin in a Neovim before 0.11, which has no `vim.lsp.enable` and no `-l`:
--   MVM_TEST_SERVER=… MVM_TEST_EXAMPLES=… nvim --clean --headless -c 'luafile tests/old.lua'
local plugin = vim.fn.fnamemodify(debug.getinfo(1, 'S').source:sub(2), ':p:h:h')
local server, examples = vim.env.MVM_TEST_SERVER, vim.env.MVM_TEST_EXAMPLES

vim.opt.runtimepath:prepend(plugin)
vim.cmd('filetype plugin on')
vim.cmd('runtime plugin/mvm.lua')
vim.o.swapfile = false

local function eventually(what, condition)
  local value
  local ok = vim.wait(60000, function()
    value = condition()
    return value and true or false
  end, 10)
  assert(ok, what .. ' did not come to pass')
  return value
end

local function text(bufnr)
  return table.concat(vim.api.nvim_buf_get_lines(bufnr, 0, -1, false), '\n')
end

local project = vim.fn.tempname()
vim.fn.mkdir(project .. '/.git', 'p')

--- Opens a copy of an example, with the server.
local function open(example)
  local path = project .. '/' .. vim.fn.fnamemodify(example, ':t')
  vim.fn.writefile(vim.fn.readfile(examples .. '/' .. example), path)
  vim.cmd('edit ' .. vim.fn.fnameescape(path))
  local bufnr = vim.api.nvim_get_current_buf()
  eventually('the server attaches', function()
    local client = require('mvm.client').get(bufnr)
    return client and client.initialized
  end)
  return bufnr
end

local tests = {}

function tests.attaches_where_mvm_is_used_one_server_for_a_project()
  vim.fn.writefile({ 'x = 1' }, project .. '/other.py')
  vim.cmd('edit ' .. project .. '/other.py')
  local other = vim.api.nvim_get_current_buf()
  open('hello/hello.py')
  open('agent-tool/tool.py')
  assert(#require('mvm.client').all() == 1, 'one server')
  assert(not require('mvm.client').get(other), 'none where mvm is not used')
end

function tests.findings_are_shown()
  local bufnr = open('insecure/insecure.py')
  eventually('findings', function()
    return #vim.diagnostic.get(bufnr) > 5
  end)
end

function tests.the_preview_opens_and_follows_text_and_cursor()
  local bufnr = open('agent-tool/tool.py')
  vim.cmd('MvmIr')
  local preview = eventually('the preview', function()
    local one = require('mvm.preview').of(bufnr)
    return one and one.buffer and text(one.buffer):find('"memory_mb": 512', 1, true) and one
  end)
  vim.fn.search('memory_mb=512')
  vim.cmd('normal! 12l')
  vim.cmd('doautocmd CursorMoved')
  local line = vim.api.nvim_win_get_cursor(vim.fn.win_findbuf(preview.buffer)[1])[1]
  assert(vim.api.nvim_buf_get_lines(preview.buffer, line - 1, line, false)[1]:find('memory_mb', 1, true))
  vim.cmd('%s/memory_mb=512/memory_mb=768/')
  eventually('the change', function()
    return text(preview.buffer):find('"memory_mb": 768', 1, true)
  end)
end

function tests.a_refused_build_says_why()
  open('insecure/insecure.py')
  vim.cmd('MvmBuild insecure')
  eventually('a refusal', function()
    local last = require('mvm.jobs').last
    return last and last.summary:find('has errors and cannot be built', 1, true)
  end)
end

function tests.health_says_what_is_there()
  open('hello/hello.py')
  vim.cmd('checkhealth mvm')
  local report = text(0)
  assert(report:find('older than 0.11', 1, true) and report:find('mvm%-lsp %d') and report:find('running in', 1, true), report)
end

local failed, passed = 0, 0
require('mvm').setup({ cmd = { server } })
local names = vim.tbl_keys(tests)
table.sort(names)
for _, name in ipairs(names) do
  vim.cmd('silent! %bwipeout!')
  local ok, why = xpcall(tests[name], debug.traceback)
  passed, failed = passed + (ok and 1 or 0), failed + (ok and 0 or 1)
  io.stdout:write((ok and 'ok   ' or 'FAIL ') .. name .. (ok and '' or '\n' .. tostring(why)) .. '\n')
end
for _, client in ipairs(require('mvm.client').all()) do
  vim.lsp.stop_client(client.id, true)
end
io.stdout:write(('%d passed, %d failed\n'):format(passed, failed))
vim.cmd((failed > 0 or passed == 0) and 'cquit 1' or 'quitall!')
