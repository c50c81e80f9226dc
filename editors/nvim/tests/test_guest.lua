-- Real guests: a run returns its result, and one that never ends is stopped.
local T = ...
local tests = {}

function tests.a_run_returns_its_result()
  local bufnr = T.open('hello/hello.py')
  T.client(bufnr)
  local result = T.ended(function()
    vim.cmd.MvmRun('{"name": "Neovim"}')
  end)
  assert(result.success, vim.inspect(result))
  assert(result.summary:find('Hello, Neovim!', 1, true), result.summary)
end

function tests.a_run_that_never_ends_is_stopped()
  local text = {
    'import time',
    'import mvm',
    '@mvm.app(image=mvm.nix_packages(["python3"]))',
    'def forever() -> None:',
    '    print("begun", flush=True)',
    '    time.sleep(100000)',
  }
  local bufnr = T.open('forever.py', table.concat(text, '\n'))
  T.client(bufnr)
  local jobs = require('mvm.jobs')
  local before = jobs.last
  local result = T.ended(function()
    vim.cmd('MvmRun!')
    T.eventually('the guest prints', function()
      assert(jobs.last == before, 'it ended by itself: ' .. vim.inspect(jobs.last))
      local output = vim.fn.bufnr('mvm://output')
      return output > 0 and T.text(output):find('begun', 1, true)
    end, T.GUEST)
    vim.cmd.MvmStop()
  end)
  T.equal(true, result.cancelled)
end

return tests
