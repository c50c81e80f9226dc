--- Workload IR as text: indented, keys in canonical order, with the line of every JSON pointer.
local M = {}

local function escape(key)
  return (tostring(key):gsub('~', '~0'):gsub('/', '~1'))
end

local function is_list(value)
  if next(value) == nil then
    return getmetatable(value) ~= getmetatable(vim.empty_dict())
  end
  return vim.islist and vim.islist(value) or not vim.islist and vim.tbl_islist(value)
end

local function scalar(value)
  if type(value) == 'number' and value == math.floor(value) and math.abs(value) < 2 ^ 53 then
    return string.format('%d', value)
  end
  -- The encoder escapes slashes, which JSON allows and nobody reads gladly.
  return (vim.json.encode(value):gsub('\\/', '/'))
end

--- Lines of text, and for each line the pointer of the value that starts on it.
---@param value any
---@return string[] lines
---@return string[] pointers
function M.lines(value)
  local lines, pointers = {}, {}

  local function put(text, pointer)
    lines[#lines + 1] = text
    pointers[#lines] = pointer
  end

  local function walk(item, prefix, indent, pointer, comma)
    if type(item) ~= 'table' then
      return put(prefix .. scalar(item) .. comma, pointer)
    end
    local list = is_list(item)
    local open, close = list and '[' or '{', list and ']' or '}'
    if next(item) == nil then
      return put(prefix .. open .. close .. comma, pointer)
    end
    put(prefix .. open, pointer)
    local inner = indent .. '  '
    local keys = vim.tbl_keys(item)
    table.sort(keys)
    for i, key in ipairs(keys) do
      local name = list and '' or scalar(key) .. ': '
      local below = pointer .. '/' .. (list and key - 1 or escape(key))
      walk(item[key], inner .. name, inner, below, i < #keys and ',' or '')
    end
    put(indent .. close .. comma, pointer)
  end

  walk(value, '', '', '', '')
  return lines, pointers
end

return M
