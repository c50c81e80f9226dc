"""Tells which of the texts on standard input, a JSON list, CPython compiles: a JSON list of reasons or null."""

import json
import sys
import warnings


def refusal(text):
    try:
        compile(text, "a.py", "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return str(error)
    return None


warnings.simplefilter("ignore")
json.dump([refusal(text) for text in json.load(sys.stdin)], sys.stdout)
