"""Prints, for every file named on standard input, the byte ranges of its top-level statements as `ast` has them."""

import ast
import json
import re
import sys
import warnings

warnings.simplefilter("ignore")


def ranges(source):
    lines = [0]
    for end in re.finditer(rb"\r\n|\r|\n", source):
        lines.append(end.end())
    bom = 3 if source.startswith(b"\xef\xbb\xbf") else 0

    def offset(line, column):
        return lines[line - 1] + column + (bom if line == 1 else 0)

    out = []
    for node in ast.parse(source).body:
        decorators = getattr(node, "decorator_list", [])
        start = offset(decorators[0].lineno, 0) if decorators else offset(node.lineno, node.col_offset)
        out.append([start, offset(node.end_lineno, node.end_col_offset)])
    return out


for path in sys.stdin.read().splitlines():
    with open(path, "rb") as file:
        source = file.read()
    try:
        source.decode("utf-8")
        if re.search(rb"^[ \t\f]*#.*?coding[:=][ \t]*(?!utf-?8)", b"\n".join(source.split(b"\n")[:2]), re.M | re.I):
            continue
        found = ranges(source)
    except (SyntaxError, ValueError, RecursionError):
        continue
    print(json.dumps([path, found]))
