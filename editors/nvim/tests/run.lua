-- Tests of the plugin in a real Neovim against the real server:
--   nvim --clean --headless -l tests/run.lua SERVER EXAMPLES [NAME]
local plugin = vim.fn.fnamemodify(debug.getinfo(1, 'S').source:sub(2), ':p:h:h')
local server, examples, only = unpack(_G.arg, 1, 3)
assert(server and vim.fn.executable(server) == 1, 'usage: run.lua SERVER EXAMPLES [NAME]')

vim.opt.runtimepath:prepend(plugin)
vim.cmd('filetype plugin on')
vim.cmd('runtime plugin/mvm.lua')
vim.o.swapfile = false

local T = { examples = examples, server = server, said = {} }

vim.notify = function(text, level)
  T.said[#T.said + 1] = { text = text, level = level }
end

--- Waits for something to hold; fails with its words when it does not.
function T.eventually(what, condition, limit)
  local value
  local ok = vim.wait(limit or 120000, function()
    value = condition()
    return value and true or false
  end, 10)
  if not ok then
    error(('%s did not come to pass; said: %s'):format(what, vim.inspect(T.said)), 2)
  end
  return value
end

--- Real guests take their time.
T.GUEST = 400000

--- Starts a build or a run, waits for its end, and gives its result.
function T.ended(start)
  local result
  vim.api.nvim_create_autocmd('User', {
    pattern = 'MvmJobEnded',
    once = true,
    callback = function(event)
      result = event.data.result
    end,
  })
  start()
  return T.eventually('the end of the job', function()
    return result
  end, T.GUEST)
end

function T.equal(expected, found)
  if not vim.deep_equal(expected, found) then
    error(('expected %s, found %s'):format(vim.inspect(expected), vim.inspect(found)), 2)
  end
end

-- One project for all tests, so that one server serves them.
local project = vim.fn.tempname()
vim.fn.mkdir(project .. '/.git', 'p')
local opened = 0

--- Opens a file of its own with the given text, or a copy of an example.
function T.open(name, text)
  opened = opened + 1
  local directory = ('%s/%d'):format(project, opened)
  vim.fn.mkdir(directory)
  local path = directory .. '/' .. vim.fs.basename(name)
  if text then
    vim.fn.writefile(vim.split(text, '\n'), path)
  else
    local copied, why = vim.uv.fs_copyfile(examples .. '/' .. name, path)
    assert(copied, why)
  end
  vim.cmd.edit(path)
  return vim.api.nvim_get_current_buf()
end

function T.client(bufnr)
  return T.eventually('the server attaches', function()
    local client = vim.lsp.get_clients({ bufnr = bufnr, name = 'mvm_lsp' })[1]
    return client and client.initialized and client
  end)
end

function T.preview(bufnr)
  T.client(bufnr)
  vim.cmd.MvmIr()
  return T.eventually('the preview opens', function()
    local preview = require('mvm.preview').of(bufnr)
    return preview and preview.pointers and preview
  end)
end

function T.lines(bufnr)
  return vim.api.nvim_buf_get_lines(bufnr, 0, -1, false)
end

function T.text(bufnr)
  return table.concat(T.lines(bufnr), '\n')
end

--- Replaces text in the current buffer.
function T.replace(bufnr, from, to)
  local text = T.text(bufnr)
  local at, last = text:find(from, 1, true)
  assert(at, 'no ' .. from)
  local changed = text:sub(1, at - 1) .. to .. text:sub(last + 1)
  vim.api.nvim_buf_set_lines(bufnr, 0, -1, false, vim.split(changed, '\n'))
end

--- Puts the cursor on a text of the current buffer.
function T.cursor(text)
  assert(vim.fn.search('\\V' .. text, 'cw') > 0, 'no ' .. text)
  vim.cmd.doautocmd('CursorMoved')
end

function T.reset()
  vim.cmd('silent! %bwipeout!')
  T.said = {}
end

require('mvm').setup({ cmd = { server } })

local passed, failed = 0, 0
for _, file in ipairs(vim.fn.sort(vim.fn.glob(plugin .. '/tests/test_*.lua', true, true))) do
  local tests = assert(loadfile(file))(T)
  for _, name in ipairs(vim.fn.sort(vim.tbl_keys(tests))) do
    if not only or name:find(only, 1, true) then
      T.reset()
      local ok, why = xpcall(tests[name], debug.traceback)
      passed, failed = passed + (ok and 1 or 0), failed + (ok and 0 or 1)
      print((ok and 'ok   ' or 'FAIL ') .. name .. (ok and '' or '\n' .. why))
    end
  end
end
for _, client in ipairs(vim.lsp.get_clients()) do
  client:stop(true)
end
print(('%d passed, %d failed\n'):format(passed, failed))
vim.cmd((failed > 0 or passed == 0) and 'cquit 1' or 'quitall!')
