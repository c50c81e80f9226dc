-- The printed IR: canonical order, pointers by line, and nothing lost.
local T = ...
local json = require('mvm.json')
local tests = {}

function tests.prints_in_canonical_order_with_pointers()
  local value = vim.json.decode('{"b": [1, {"x/y": null}], "a": {}, "c": [], "t~": "https://é"}')
  local lines, pointers = json.lines(value)
  T.equal({
    '{',
    '  "a": {},',
    '  "b": [',
    '    1,',
    '    {',
    '      "x/y": null',
    '    }',
    '  ],',
    '  "c": [],',
    '  "t~": "https://é"',
    '}',
  }, lines)
  T.equal({ '', '/a', '/b', '/b/0', '/b/1', '/b/1/x~1y', '/b/1', '/b', '/c', '/t~0', '' }, pointers)
end

function tests.what_is_printed_reads_back_as_what_it_was()
  local value = vim.json.decode('{"a": [[], {}, [[1, 2.5, -3, true, false]]], "e": "\\u0007\\"\\\\"}')
  T.equal(value, vim.json.decode(table.concat((json.lines(value)), '\n')))
end

return tests
