-- The preview follows the text and the cursor, both ways, and costs nothing once closed.
local T = ...
local tests = {}

local function shows(preview, text)
  return T.eventually('the preview shows ' .. text, function()
    return T.text(preview.buffer):find(text, 1, true)
  end)
end

function tests.shows_the_ir_and_its_hash()
  local bufnr = T.open('agent-tool/tool.py')
  local preview = T.preview(bufnr)
  shows(preview, '"name": "agent-tool"')
  local window = vim.fn.win_findbuf(preview.buffer)[1]
  assert(vim.wo[window].winbar:match('^agent%-tool %x%x%x%x%x%x'), vim.wo[window].winbar)
  T.equal('json', vim.bo[preview.buffer].filetype)
  T.equal(false, vim.bo[preview.buffer].modifiable)
end

function tests.is_right_after_a_change()
  local bufnr = T.open('agent-tool/tool.py')
  local preview = T.preview(bufnr)
  shows(preview, '"memory_mb": 512')
  local hash = preview.workloads[1].irHash
  T.replace(bufnr, 'memory_mb=512', 'memory_mb=1024')
  shows(preview, '"memory_mb": 1024')
  assert(preview.workloads[1].irHash ~= hash, 'another IR has another hash')
end

function tests.follows_the_cursor_of_the_source()
  local bufnr = T.open('agent-tool/tool.py')
  local preview = T.preview(bufnr)
  shows(preview, '"memory_mb": 512')
  T.cursor('memory_mb=512')
  vim.api.nvim_win_set_cursor(0, { vim.fn.line('.'), vim.fn.col('.') + 10 })
  vim.cmd.doautocmd('CursorMoved')
  local window = vim.fn.win_findbuf(preview.buffer)[1]
  local line = vim.api.nvim_win_get_cursor(window)[1]
  T.equal('"memory_mb": 512,', vim.trim(T.lines(preview.buffer)[line]))
end

function tests.leads_back_to_the_source()
  local bufnr = T.open('agent-tool/tool.py')
  local preview = T.preview(bufnr)
  shows(preview, '"host": "api.openai.com"')
  vim.api.nvim_set_current_win(vim.fn.win_findbuf(preview.buffer)[1])
  T.cursor('"host": "api.openai.com"')
  vim.api.nvim_feedkeys(vim.keycode('<CR>'), 'xt', false)
  T.equal(bufnr, vim.api.nvim_get_current_buf())
  assert(vim.api.nvim_get_current_line():find('allow_https', 1, true), vim.api.nvim_get_current_line())
end

function tests.positions_count_characters_not_bytes()
  local text = 'import mvm\n\n\n@mvm.app(env={"A": "ä𝄞", "B": "c"}, image=mvm.nix_packages(["python3"]))\ndef run() -> None:\n    pass'
  local bufnr = T.open('wide.py', text)
  local preview = T.preview(bufnr)
  shows(preview, '"value": "c"')
  T.cursor('"c"')
  local window = vim.fn.win_findbuf(preview.buffer)[1]
  local line = vim.api.nvim_win_get_cursor(window)[1]
  assert(preview.pointers[line]:find('/env/B', 1, true), preview.pointers[line])
end

function tests.closing_ends_the_subscription()
  local bufnr = T.open('agent-tool/tool.py')
  local preview = T.preview(bufnr)
  shows(preview, '"memory_mb": 512')
  local client = T.client(bufnr)
  local told = 0
  local before = client.handlers['mvm/workloadIrChanged']
  client.handlers['mvm/workloadIrChanged'] = function()
    told = told + 1
  end
  vim.cmd.MvmIr()
  T.equal(nil, require('mvm.preview').of(bufnr))
  T.replace(bufnr, 'memory_mb=512', 'memory_mb=1024')
  -- A request after the change: once it is answered, a notification would have come.
  local params = { textDocument = { uri = vim.uri_from_bufnr(bufnr) } }
  client:request_sync('textDocument/documentSymbol', params, 60000, bufnr)
  client.handlers['mvm/workloadIrChanged'] = before
  T.equal(0, told)
end

function tests.the_source_going_away_takes_the_preview_along()
  local bufnr = T.open('hello/hello.py')
  local preview = T.preview(bufnr)
  vim.cmd('bwipeout! ' .. bufnr)
  T.eventually('the preview goes', function()
    return not vim.api.nvim_buf_is_valid(preview.buffer)
  end)
end

function tests.it_is_live_again_after_another_server_has_started()
  local bufnr = T.open('agent-tool/tool.py')
  local preview = T.preview(bufnr)
  shows(preview, '"memory_mb": 512')
  local window = vim.fn.win_findbuf(preview.buffer)[1]
  local first = T.client(bufnr)
  first:stop(true)
  T.eventually('it says that the server has ended', function()
    return vim.wo[window].winbar:find('has ended', 1, true)
  end)
  -- As `vim.lsp.enable` starts it when a file is opened.
  vim.cmd.doautocmd('FileType')
  T.eventually('another server', function()
    return T.client(bufnr).id ~= first.id
  end)
  T.replace(bufnr, 'memory_mb=512', 'memory_mb=768')
  shows(preview, '"memory_mb": 768')
  assert(vim.wo[window].winbar:find('^agent%-tool'), vim.wo[window].winbar)
end

function tests.says_why_there_is_none()
  T.open('other.txt', 'nothing')
  vim.cmd.MvmIr()
  T.equal('mvm: this is not a Python file', T.said[1].text)
  T.open('other.py', 'x = 1')
  vim.cmd.MvmIr()
  T.equal('mvm: this file does not use mvm', T.said[2].text)
end

return tests
