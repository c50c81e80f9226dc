-- Where the server attaches, and that Neovim's own functions then show what it says.
local T = ...
local tests = {}

function tests.attaches_where_mvm_is_used()
  local bufnr = T.open('hello/hello.py')
  T.equal('utf-8', T.client(bufnr).offset_encoding)
end

function tests.stays_away_from_other_python_until_it_uses_mvm()
  local other = T.open('other.py', 'mvmlike = 1\nhvmvm = 2')
  local hello = T.open('hello/hello.py')
  T.client(hello)
  T.equal({}, vim.lsp.get_clients({ bufnr = other, name = 'mvm_lsp' }))
  vim.api.nvim_win_set_buf(0, other)
  vim.api.nvim_buf_set_lines(other, 0, 0, false, { 'import mvm' })
  vim.cmd.doautocmd('TextChanged')
  T.client(other)
end

function tests.the_fallback_for_older_versions_attaches_too()
  local bufnr = T.open('other.py', 'x = 1')
  require('mvm.config').set({ cmd = { T.server } })
  require('mvm').start(bufnr)
  vim.api.nvim_buf_set_lines(bufnr, 0, 0, false, { 'import mvm' })
  vim.cmd.doautocmd('InsertLeave')
  T.client(bufnr)
end

function tests.findings_of_every_range_are_shown_once()
  local bufnr = T.open('insecure/insecure.py')
  T.client(bufnr)
  local ranges = T.eventually('a finding of every range', function()
    local seen = {}
    for _, one in ipairs(vim.diagnostic.get(bufnr)) do
      seen[tostring(one.code):sub(1, 4)] = true
    end
    local names = vim.fn.sort(vim.tbl_keys(seen))
    return #names >= 9 and names
  end)
  T.equal({ 'MVM0', 'MVM1', 'MVM2', 'MVM3', 'MVM4', 'MVM5', 'MVM6', 'MVM7', 'MVM8' }, ranges)
  local all = {}
  for _, one in ipairs(vim.diagnostic.get(bufnr)) do
    local key = ('%s:%d:%d:%s'):format(one.code, one.lnum, one.col, one.message)
    assert(not all[key], 'shown twice: ' .. key)
    all[key] = true
  end
end

function tests.a_fix_is_offered_and_applied()
  local bufnr = T.open('fix.py', 'import mvm\n\n\n@mvm.app(imag=mvm.nix_packages(["python3"]))\ndef run() -> None:\n    pass')
  T.client(bufnr)
  T.eventually('the finding', function()
    return #vim.tbl_filter(function(d)
      return d.code == 'MVM003'
    end, vim.diagnostic.get(bufnr)) > 0
  end)
  T.cursor('imag=')
  vim.lsp.buf.code_action({
    apply = true,
    filter = function(action)
      return action.title:find('image') ~= nil
    end,
  })
  T.eventually('the fix', function()
    return T.text(bufnr):find('@mvm.app(image=', 1, true)
  end)
end

function tests.hover_tells_about_a_helper()
  local bufnr = T.open('agent-tool/tool.py')
  local client = T.client(bufnr)
  T.cursor('secret("openai')
  local params = vim.lsp.util.make_position_params(0, client.offset_encoding)
  local answer = client:request_sync('textDocument/hover', params, 60000, bufnr)
  local value = vim.tbl_get(answer or {}, 'result', 'contents', 'value') or ''
  assert(value:find('secret', 1, true), vim.inspect(answer))
end

return tests
