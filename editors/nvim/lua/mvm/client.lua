--- The server's client for a buffer, and requests to it, across the versions of Neovim.
local M = {}

--- All clients of ours, or those of a buffer.
---@param bufnr? integer
---@return table[]
function M.all(bufnr)
  if vim.lsp.get_clients then
    return vim.lsp.get_clients({ bufnr = bufnr, name = 'mvm_lsp' })
  end
  -- Before 0.8 there is no filter.
  return vim.tbl_filter(function(client)
    return client.name == 'mvm_lsp' and (not bufnr or (client.attached_buffers or {})[bufnr] ~= nil)
  end, vim.lsp.get_active_clients())
end

--- The client of a buffer, or nothing and a reason.
---@param bufnr integer
---@return table? client
---@return string? reason
function M.get(bufnr)
  local client = M.all(bufnr)[1]
  if client then
    return client
  end
  if vim.bo[bufnr].filetype ~= 'python' then
    return nil, 'this is not a Python file'
  end
  if not require('mvm.config').mentions(bufnr) then
    return nil, 'this file does not use mvm'
  end
  return nil, 'the server is not running: see :checkhealth mvm'
end

--- Sends a request.
---@param client table
---@param method string
---@param params table
---@param callback fun(error: table?, result: any)
---@param bufnr integer
function M.request(client, method, params, callback, bufnr)
  local function handler(err, result)
    callback(err, result)
  end
  if vim.fn.has('nvim-0.11') == 1 then
    return client:request(method, params, handler, bufnr)
  end
  return client.request(method, params, handler, bufnr)
end

--- Says something to the user.
---@param text string
---@param level? integer
function M.say(text, level)
  vim.notify('mvm: ' .. text, level or vim.log.levels.INFO)
end

--- The byte column of a position of the server.
---@param bufnr integer
---@param position table
---@param encoding string
---@return integer
function M.byte_column(bufnr, position, encoding)
  local line = vim.api.nvim_buf_get_lines(bufnr, position.line, position.line + 1, false)[1] or ''
  if encoding == 'utf-8' then
    return math.min(position.character, #line)
  end
  if vim.fn.has('nvim-0.11') == 1 then
    return vim.str_byteindex(line, encoding, position.character, false)
  end
  local ok, column = pcall(vim.str_byteindex, line, position.character, encoding == 'utf-16')
  return ok and column or #line
end

return M
