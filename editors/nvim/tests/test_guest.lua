-- Real guests: a run returns its result, and one that never ends is stopped.
local T = ...
local tests = {}

local GUEST = 400000

local function ended(start)
  local result
  vim.api.nvim_create_autocmd('User', {
    pattern = 'MvmJobEnded',
    once = true,
    callback = function(event)
      result = event.data.result
    end,
  })
  start()
  local ok = vim.wait(GUEST, function()
    return result ~= nil
  end, 20)
  assert(ok, 'the job did not end; said: ' .. vim.inspect(T.said))
  return result
end

function tests.a_run_returns_its_result()
  local bufnr = T.open('hello/hello.py')
  T.client(bufnr)
  local result = ended(function()
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
  local result = ended(function()
    vim.cmd('MvmRun!')
    local ok = vim.wait(GUEST, function()
      local output = vim.fn.bufnr('mvm://output')
      return output > 0 and T.text(output):find('begun', 1, true) ~= nil
    end, 20)
    assert(ok, 'the guest printed nothing; said: ' .. vim.inspect(T.said))
    vim.cmd.MvmStop()
  end)
  T.equal(true, result.cancelled)
end

return tests
