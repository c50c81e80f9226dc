-- Builds and runs: what is refused says why; what a guest prints cannot do harm. Real guests are booted elsewhere.
local T = ...
local tests = {}

function tests.a_file_with_errors_is_not_built()
  local bufnr = T.open('insecure/insecure.py')
  T.client(bufnr)
  local ended = T.ended(function()
    vim.cmd.MvmBuild('insecure')
  end)
  T.equal(false, ended.success)
  assert(ended.summary:find('has errors and cannot be built', 1, true), ended.summary)
  assert(T.text(vim.fn.bufnr('mvm://output')):find('cannot be built', 1, true))
end

function tests.arguments_that_are_no_json_are_refused_here()
  local bufnr = T.open('hello/hello.py')
  T.client(bufnr)
  vim.cmd.MvmRun('{"name": ')
  T.eventually('a refusal', function()
    return T.said[1] and T.said[1].text:find('no JSON', 1, true)
  end)
end

function tests.a_name_that_is_not_there_is_refused()
  local bufnr = T.open('hello/hello.py')
  T.client(bufnr)
  vim.cmd.MvmBuild('nobody')
  T.eventually('a refusal', function()
    return T.said[1] and T.said[1].text:find('no declaration `nobody`', 1, true)
  end)
end

function tests.stopping_nothing_is_no_error()
  local bufnr = T.open('hello/hello.py')
  T.client(bufnr)
  local client = T.client(bufnr)
  local told
  client.handlers['window/showMessage'] = function(_, result)
    told = result.message
  end
  vim.cmd.MvmStop()
  T.eventually('an answer', function()
    return told
  end)
  client.handlers['window/showMessage'] = nil
  T.equal('mvm: nothing is running here', told)
  T.equal({}, T.said)
end

function tests.output_is_text_and_nothing_else()
  local jobs = require('mvm.jobs')
  jobs.append({ text = 'a\27[31mred\27[0m\nbe' })
  jobs.append({ text = 'll\7 \27]0;title\7\r\n<b>\n' })
  jobs.show()
  local text = T.text(vim.fn.bufnr('mvm://output'))
  assert(text:find('ared\nbell<07> <1b>]0;title<07>\n<b>\n', 1, true), text)
end

function tests.output_is_bounded()
  local jobs = require('mvm.jobs')
  jobs.append({ text = ('line\n'):rep(30000) })
  assert(vim.api.nvim_buf_line_count(vim.fn.bufnr('mvm://output')) <= 10000)
end

function tests.health_says_what_is_there()
  local bufnr = T.open('hello/hello.py')
  T.client(bufnr)
  vim.cmd('checkhealth mvm')
  local text = T.text(0)
  assert(text:find('vim.lsp.enable is there', 1, true), text)
  assert(text:find('mvm%-lsp %d'), text)
  assert(text:find('running in', 1, true), text)
end

function tests.help_is_found()
  vim.cmd.helptags(vim.fs.dirname(vim.api.nvim_get_runtime_file('doc/mvm.txt', false)[1]))
  vim.cmd.help('mvm-preview')
  assert(vim.api.nvim_get_current_line():find('The preview', 1, true), vim.api.nvim_get_current_line())
end

return tests
