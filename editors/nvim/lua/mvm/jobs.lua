--- Builds and runs: started by a command only, their text in a buffer of its own, their result in words.
local client_of = require('mvm.client')

local M = {}

--- What runs, by URI: how many.
M.running = {}
--- The last result the server gave, for tests and status lines.
M.last = nil

local LIMIT = 10000
local buffer

local function output_buffer()
  if buffer and vim.api.nvim_buf_is_valid(buffer) then
    return buffer
  end
  buffer = vim.api.nvim_create_buf(false, true)
  vim.api.nvim_buf_set_name(buffer, 'mvm://output')
  vim.bo[buffer].buftype, vim.bo[buffer].swapfile, vim.bo[buffer].modifiable = 'nofile', false, false
  return buffer
end

--- A guest may print anything: what would move a cursor or ring a bell is shown, not obeyed.
local function plain(text)
  return (text:gsub('\27%[[%d;]*[A-Za-z]', ''):gsub('[%z\1-\8\11-\31\127]', function(c)
    return ('<%02x>'):format(c:byte())
  end))
end

local function write(text)
  local target = output_buffer()
  vim.bo[target].modifiable = true
  local last = vim.api.nvim_buf_line_count(target)
  local tail = vim.api.nvim_buf_get_lines(target, last - 1, last, false)[1] or ''
  local lines = vim.split(tail .. text:gsub('\r\n', '\n'), '\n', { plain = true })
  for i, line in ipairs(lines) do
    lines[i] = plain(line)
  end
  vim.api.nvim_buf_set_lines(target, last - 1, last, false, lines)
  local count = vim.api.nvim_buf_line_count(target)
  if count > LIMIT then
    vim.api.nvim_buf_set_lines(target, 0, count - LIMIT, false, {})
  end
  vim.bo[target].modifiable = false
  for _, window in ipairs(vim.fn.win_findbuf(target)) do
    vim.api.nvim_win_set_cursor(window, { vim.api.nvim_buf_line_count(target), 0 })
  end
end

--- The server's notification: text of a build or run.
---@param params table
function M.append(params)
  write(params.text)
end

--- Shows the output in a split below.
function M.show()
  local target = output_buffer()
  if #vim.fn.win_findbuf(target) == 0 then
    local current = vim.api.nvim_get_current_win()
    vim.cmd('botright sbuffer ' .. target)
    vim.api.nvim_win_set_height(0, 10)
    vim.api.nvim_set_current_win(current)
  end
end

--- The end of a build or a run. The server itself tells the user in a message; here it is kept.
local function finish(command, argument, err, result)
  M.running[argument.uri] = nil
  M.last = result or { success = false, summary = err.message, error = err }
  write(M.last.summary .. '\n')
  local outcome = vim.tbl_get(M.last, 'details', 'outcome')
  local traceback = type(outcome) == 'table' and outcome.traceback
  if type(traceback) == 'string' then
    write(traceback .. '\n')
  end
  -- Before 0.8 an autocommand carries no data: there is `require('mvm.jobs').last`.
  local data = vim.fn.has('nvim-0.8') == 1 and { command = command, result = M.last } or nil
  vim.api.nvim_exec_autocmds('User', { pattern = 'MvmJobEnded', data = data })
end

--- Starts a build or a run.
---@param command string
---@param argument table  `{ uri, name, arguments? }`
function M.start(command, argument)
  local bufnr = vim.uri_to_bufnr(argument.uri)
  local client, reason = client_of.get(bufnr)
  if not client then
    return client_of.say(reason, vim.log.levels.WARN)
  end
  M.show()
  M.running[argument.uri] = true
  write(('--- %s %s\n'):format(command, argument.name))
  local params = { command = command, arguments = { argument } }
  client_of.request(client, 'workspace/executeCommand', params, function(err, result)
    finish(command, argument, err, result)
  end, bufnr)
end

--- Stops what runs for a buffer.
---@param bufnr integer
function M.stop(bufnr)
  local client, reason = client_of.get(bufnr)
  if not client then
    return client_of.say(reason, vim.log.levels.WARN)
  end
  local params = { command = 'mvm.stop', arguments = { { uri = vim.uri_from_bufnr(bufnr) } } }
  client_of.request(client, 'workspace/executeCommand', params, function(err)
    if err then
      client_of.say(err.message, vim.log.levels.ERROR)
    end
  end, bufnr)
end

return M
