#!/usr/bin/env python3
"""Reads the configurations of editors that cannot be run here, and starts the server as each says: test.py PROGRAMS

Each must be of its form, name only keys that its editor's documentation has, and only settings that the server has; and
the server must answer to it.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent

# What the documentation of each editor has: Helix 25.07, Zed's settings, the package LSP of Sublime Text.
HELIX_SERVER = {"command", "args", "config", "timeout", "environment", "required-root-patterns"}
HELIX_LANGUAGE = {"name", "language-servers", "roots", "scope", "file-types", "formatter", "auto-format"}
ZED_SERVER = {"binary", "initialization_options", "settings", "enable_lsp_tasks"}
ZED_BINARY = {"path", "arguments", "env", "ignore_system_version"}
SUBLIME_CLIENT = {"enabled", "command", "selector", "initializationOptions", "settings", "env"}


def known(given: dict, keys: set[str], where: str) -> dict:
    """A table, with no key but these."""
    assert given.keys() <= keys, f"{where}: unknown {sorted(given.keys() - keys)}"
    return given


def helix() -> tuple[list[str], dict]:
    """Command line and options in Helix."""
    text = tomllib.loads((HERE / "helix/languages.toml").read_text())
    known(text, {"language-server", "language"}, "helix")
    server = known(text["language-server"]["mvm-lsp"], HELIX_SERVER, "helix: language-server")
    (language,) = text["language"]
    known(language, HELIX_LANGUAGE, "helix: language")
    assert language["name"] == "python" and "mvm-lsp" in language["language-servers"], language
    return [server["command"], *server.get("args", [])], server.get("config", {})


def zed() -> tuple[list[str], dict]:
    """Command line and options in Zed."""
    text = json.loads((HERE / "zed/settings.json").read_text())
    server = known(text["lsp"]["mvm-lsp"], ZED_SERVER, "zed: lsp")
    binary = known(server["binary"], ZED_BINARY, "zed: binary")
    assert text["languages"]["Python"]["language_servers"] == ["mvm-lsp", "..."], text
    return [binary["path"], *binary["arguments"]], server["initialization_options"]


def sublime() -> tuple[list[str], dict]:
    """Command line and options in Sublime Text, whose JSON may have comments."""
    text = (HERE / "sublime/LSP.sublime-settings").read_text()
    client = json.loads(re.sub(r"^\s*//.*", "", text, flags=re.MULTILINE))["clients"]["mvm-lsp"]
    known(client, SUBLIME_CLIENT, "sublime")
    assert client["enabled"] and client["selector"] == "source.python", client
    return client["command"], client["initializationOptions"]


def introduced(command: list[str], options: dict) -> dict:
    """What the server answers to `initialize`."""
    params = {"processId": None, "rootUri": None, "capabilities": {}, "initializationOptions": options}
    requests = [
        {"id": 1, "method": "initialize", "params": params},
        {"method": "initialized", "params": {}},
        {"id": 2, "method": "shutdown"},
        {"method": "exit"},
    ]
    bodies = [json.dumps({"jsonrpc": "2.0", **one}).encode() for one in requests]
    given = b"".join(b"Content-Length: %d\r\n\r\n%s" % (len(body), body) for body in bodies)
    out = subprocess.run(command, input=given, capture_output=True, timeout=60, check=True).stdout
    length, _, rest = out.partition(b"\r\n\r\n")
    return json.loads(rest[: int(length.split(b":")[1])])["result"]


def main() -> None:
    """All of them."""
    programs = Path(sys.argv[1]).resolve()
    manifest = json.loads((REPOSITORY / "vscode-extension/package.json").read_text())
    settings = {name.removeprefix("mvm.") for name in manifest["contributes"]["configuration"]["properties"]}
    for read in (helix, zed, sublime):
        command, options = read()
        known(options, settings, read.__name__)
        assert Path(command[0]).name == "mvm-lsp", command
        answer = introduced([str(programs / "mvm-lsp"), *command[1:]], options)
        assert answer["serverInfo"]["name"] == "mvm-lsp", answer
        print(f"ok   {read.__name__}: the configuration is of its form, and the server answers to it")


if __name__ == "__main__":
    main()
