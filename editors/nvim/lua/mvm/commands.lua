--- The commands of `plugin/mvm.lua`.
local client_of = require('mvm.client')

local M = {}

--- Finds the declarations of the current buffer and calls back with them: name, and the lines they take.
local function declarations(callback)
  local bufnr = vim.api.nvim_get_current_buf()
  local client, reason = client_of.get(bufnr)
  if not client then
    return client_of.say(reason, vim.log.levels.WARN)
  end
  local params = { textDocument = { uri = vim.uri_from_bufnr(bufnr) } }
  client_of.request(client, 'textDocument/documentSymbol', params, function(err, symbols)
    if err then
      return client_of.say(err.message, vim.log.levels.ERROR)
    end
    callback(params.textDocument.uri, symbols or {})
  end, bufnr)
end

--- Calls back with the declaration that is meant: the named one, the one at the cursor, the only one, or one chosen.
local function choose(name, callback)
  local line = vim.api.nvim_win_get_cursor(0)[1] - 1
  declarations(function(uri, symbols)
    if #symbols == 0 then
      return client_of.say('this file declares no workload', vim.log.levels.WARN)
    end
    for _, symbol in ipairs(symbols) do
      local here = line >= symbol.range.start.line and line <= symbol.range['end'].line
      if name == symbol.name or (not name and (here or #symbols == 1)) then
        return callback(uri, symbol.name)
      end
    end
    if name then
      return client_of.say(('there is no declaration `%s` here'):format(name), vim.log.levels.ERROR)
    end
    local names = vim.tbl_map(function(symbol)
      return symbol.name
    end, symbols)
    vim.ui.select(names, { prompt = 'Which declaration?' }, function(chosen)
      if chosen then
        callback(uri, chosen)
      end
    end)
  end)
end

--- `:MvmIr`
function M.ir()
  require('mvm.preview').open(vim.api.nvim_get_current_buf())
end

--- `:MvmBuild [NAME]`
function M.build(args)
  choose(args.args ~= '' and args.args or nil, function(uri, name)
    require('mvm.jobs').start('mvm.build', { uri = uri, name = name })
  end)
end

--- `:MvmRun[!] [NAME] [JSON]`: with `!` the last arguments, or neutral ones, without asking.
function M.run(args)
  local text = args.args
  local name = text:match('^[a-z][%w-]*')
  local given = vim.trim(name and text:sub(#name + 1) or text)
  choose(name, function(uri, chosen)
    local function start(words)
      local argument = { uri = uri, name = chosen }
      if words ~= '' then
        local ok, value = pcall(vim.json.decode, words)
        if not ok then
          return client_of.say('the arguments are no JSON: ' .. value, vim.log.levels.ERROR)
        end
        argument.arguments = value
      end
      require('mvm.jobs').start('mvm.run', argument)
    end
    if given ~= '' or args.bang then
      return start(given)
    end
    local prompt = ('Arguments of %s as JSON (empty: the last ones): '):format(chosen)
    vim.ui.input({ prompt = prompt }, function(words)
      if words then
        start(vim.trim(words))
      end
    end)
  end)
end

--- `:MvmStop`
function M.stop()
  require('mvm.jobs').stop(vim.api.nvim_get_current_buf())
end

--- `:MvmOutput`
function M.output()
  require('mvm.jobs').show()
end

--- Names for completion: the last known ones.
function M.names()
  local preview = require('mvm.preview').of(vim.api.nvim_get_current_buf())
  local names = {}
  for _, workload in ipairs(preview and preview.workloads or {}) do
    for _, app in ipairs(workload.ir.apps or {}) do
      names[#names + 1] = app.name
    end
  end
  return names
end

return M
