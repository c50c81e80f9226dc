--- The preview: the Workload IR of a file in a split of its own, right after every change, following the cursor.
local client_of = require('mvm.client')
local json = require('mvm.json')

local M = {}

local namespace = vim.api.nvim_create_namespace('mvm.preview')
local group = vim.api.nvim_create_augroup('mvm.preview', { clear = true })

---@class mvm.Preview
---@field source integer        the buffer that declares
---@field buffer integer        the buffer that shows
---@field uri string
---@field encoding string
---@field first table           for each workload its first line
---@field workloads table[]
---@field pointers string[]     of each line, with the workload in front: `0:/apps/0`

---@type table<string, mvm.Preview>
local previews = {}

local function windows(bufnr)
  return vim.fn.win_findbuf(bufnr)
end

local function title(answer)
  local parts = {}
  for _, workload in ipairs(answer.workloads) do
    local state = workload.complete and '' or ' (incomplete)'
    parts[#parts + 1] = ('%s %s%s'):format(workload.id, workload.irHash:sub(1, 12), state)
  end
  if #parts == 0 then
    parts[1] = 'no workload'
  end
  local problems = #answer.problems
  local tail = problems == 0 and '' or (' · %d problem%s'):format(problems, problems == 1 and '' or 's')
  return (table.concat(parts, ' · ') .. tail):gsub('%%', '%%%%')
end

local function bar(preview, text)
  for _, window in ipairs(windows(preview.buffer)) do
    -- Before 0.8 a window has no bar on top.
    vim.wo[window][vim.fn.exists('+winbar') == 1 and 'winbar' or 'statusline'] = text
  end
end

local function render(preview, answer)
  local lines, pointers = {}, {}
  preview.workloads, preview.problems = answer.workloads, answer.problems
  for i, workload in ipairs(answer.workloads) do
    local text, at = json.lines(workload.ir)
    for k, line in ipairs(text) do
      lines[#lines + 1] = line
      pointers[#lines] = ('%d:%s'):format(i, at[k])
    end
  end
  if #answer.workloads == 0 then
    lines[1] = '// nothing is declared here: decorate a function with @mvm.app(...)'
  end
  preview.pointers, preview.version = pointers, answer.version
  vim.bo[preview.buffer].modifiable = true
  vim.api.nvim_buf_set_lines(preview.buffer, 0, -1, false, lines)
  vim.bo[preview.buffer].modifiable = false
  bar(preview, title(answer))
end

local function before(a, b)
  return a.line < b.line or (a.line == b.line and a.character <= b.character)
end

--- The smallest value of the source map that a position lies in: workload and pointer.
local function value_at(preview, position)
  local best, size
  for i, workload in ipairs(preview.workloads or {}) do
    for _, entry in ipairs(workload.sourceMap) do
      local r = entry.range
      if before(r.start, position) and before(position, r['end']) then
        local extent = (r['end'].line - r.start.line) * 10000 + r['end'].character - r.start.character
        if not size or extent <= size then
          best, size = ('%d:%s'):format(i, entry.pointer), extent
        end
      end
    end
  end
  return best
end

local function line_of(preview, pointer)
  while pointer do
    for line, at in ipairs(preview.pointers) do
      if at == pointer then
        return line
      end
    end
    pointer = pointer:match('^(.*)/[^/]*$')
  end
end

local function entry_of(preview, pointer)
  while pointer do
    local workload, path = pointer:match('^(%d+):(.*)$')
    for _, entry in ipairs(workload and preview.workloads[tonumber(workload)].sourceMap or {}) do
      if entry.pointer == path then
        return entry
      end
    end
    pointer = pointer:match('^(.*)/[^/]*$')
  end
end

local function show_in_preview(preview)
  local window = vim.api.nvim_get_current_win()
  if vim.api.nvim_win_get_buf(window) ~= preview.source then
    return
  end
  local position = vim.lsp.util.make_position_params(window, preview.encoding).position
  local pointer = value_at(preview, position)
  vim.api.nvim_buf_clear_namespace(preview.buffer, namespace, 0, -1)
  local line = pointer and line_of(preview, pointer)
  if not line then
    return
  end
  vim.api.nvim_buf_set_extmark(preview.buffer, namespace, line - 1, 0, { line_hl_group = 'Visual' })
  for _, other in ipairs(windows(preview.buffer)) do
    vim.api.nvim_win_set_cursor(other, { line, 0 })
  end
end

local function show_in_source(preview, jump)
  local line = vim.api.nvim_win_get_cursor(0)[1]
  local entry = entry_of(preview, preview.pointers[line])
  vim.api.nvim_buf_clear_namespace(preview.source, namespace, 0, -1)
  if not entry then
    return
  end
  local from, to = entry.range.start, entry.range['end']
  local column = client_of.byte_column(preview.source, from, preview.encoding)
  vim.api.nvim_buf_set_extmark(preview.source, namespace, from.line, column, {
    end_row = to.line,
    end_col = client_of.byte_column(preview.source, to, preview.encoding),
    hl_group = 'Visual',
    strict = false,
  })
  local window = windows(preview.source)[1]
  if window and jump then
    vim.api.nvim_set_current_win(window)
    vim.api.nvim_win_set_cursor(window, { from.line + 1, column })
  end
end

local function close(preview)
  previews[preview.uri] = nil
  if vim.api.nvim_buf_is_valid(preview.source) then
    vim.api.nvim_clear_autocmds({ group = group, buffer = preview.source })
    vim.api.nvim_buf_clear_namespace(preview.source, namespace, 0, -1)
    local client = client_of.get(preview.source)
    if client then
      local params = { textDocument = { uri = preview.uri }, subscribe = false }
      client_of.request(client, 'mvm/workloadIr', params, function() end, preview.source)
    end
  end
end

local function buffer_for(preview)
  local buffer = vim.api.nvim_create_buf(false, true)
  vim.api.nvim_buf_set_name(buffer, 'mvm://ir/' .. vim.fn.fnamemodify(vim.uri_to_fname(preview.uri), ':~:.'))
  vim.bo[buffer].buftype, vim.bo[buffer].bufhidden, vim.bo[buffer].swapfile = 'nofile', 'wipe', false
  vim.bo[buffer].modifiable = false
  vim.bo[buffer].filetype = 'json'
  vim.keymap.set('n', '<CR>', function()
    show_in_source(preview, true)
  end, { buffer = buffer, desc = 'Go to where the value is written' })
  vim.keymap.set('n', 'q', '<Cmd>close<CR>', { buffer = buffer, desc = 'Close the preview' })
  return buffer
end

--- Asks for the IR, and to be told of every other one.
local function subscribe(preview, client, callback)
  local params = { textDocument = { uri = preview.uri }, subscribe = true }
  client_of.request(client, 'mvm/workloadIr', params, function(err, answer)
    if err then
      return client_of.say(err.message, vim.log.levels.ERROR)
    end
    callback(answer)
  end, preview.source)
end

--- A server that ends is told of; the next one is asked as the first was.
local function follow_server(preview)
  local function on(event, run)
    -- Before 0.8 there are no such events.
    if vim.fn.exists('##' .. event) == 1 then
      vim.api.nvim_create_autocmd(event, { group = group, buffer = preview.source, callback = function(args)
        local client = vim.lsp.get_client_by_id(args.data.client_id)
        if client and client.name == 'mvm_lsp' and vim.api.nvim_buf_is_valid(preview.buffer) then
          run(client)
        end
      end })
    end
  end
  on('LspDetach', function()
    bar(preview, 'the server has ended: see :checkhealth mvm')
  end)
  on('LspAttach', function(client)
    preview.encoding = client.offset_encoding
    subscribe(preview, client, function(answer)
      M.changed(vim.tbl_extend('force', answer, { uri = preview.uri }))
    end)
  end)
end

local function follow(preview)
  local function on(event, buffer, run)
    vim.api.nvim_create_autocmd(event, { group = group, buffer = buffer, callback = run })
  end
  on({ 'CursorMoved', 'CursorMovedI' }, preview.source, function()
    show_in_preview(preview)
  end)
  on('CursorMoved', preview.buffer, function()
    show_in_source(preview, false)
  end)
  on('BufWipeout', preview.buffer, function()
    close(preview)
  end)
  on('BufWipeout', preview.source, function()
    if vim.api.nvim_buf_is_valid(preview.buffer) then
      vim.schedule(function()
        pcall(vim.api.nvim_buf_delete, preview.buffer, { force = true })
      end)
    end
  end)
end

--- The server's notification: the IR of an open preview is another one.
---@param answer table
function M.changed(answer)
  local preview = previews[answer.uri]
  if preview and vim.api.nvim_buf_is_valid(preview.buffer) then
    render(preview, answer)
  end
end

--- Opens the preview of a buffer beside it, or closes it when it is open.
---@param source integer
function M.open(source)
  local client, reason = client_of.get(source)
  if not client then
    return client_of.say(reason, vim.log.levels.WARN)
  end
  local uri = vim.uri_from_bufnr(source)
  local known = previews[uri]
  if known and #windows(known.buffer) > 0 then
    return vim.api.nvim_buf_delete(known.buffer, { force = true })
  end
  local preview = { source = source, uri = uri, encoding = client.offset_encoding, pointers = {} }
  subscribe(preview, client, function(answer)
    local origin = windows(source)[1] or vim.api.nvim_get_current_win()
    preview.buffer = buffer_for(preview)
    previews[uri] = preview
    vim.api.nvim_win_call(origin, function()
      vim.cmd(require('mvm.config').options.split .. ' sbuffer ' .. preview.buffer)
    end)
    follow(preview)
    follow_server(preview)
    render(preview, answer)
    vim.api.nvim_win_call(origin, function()
      show_in_preview(preview)
    end)
  end)
end

--- The preview of a buffer, for tests and status lines.
---@param source integer
---@return mvm.Preview?
function M.of(source)
  return previews[vim.uri_from_bufnr(source)]
end

return M
