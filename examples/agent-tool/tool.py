"""A tool for an agent: sends a prompt to a language model, from a machine that can reach nothing else.

The declaration lets one host through and names one secret. The rest of the file is ordinary Python: `run` can be
imported and called anywhere, and says so when the model cannot be reached.
"""

import json
import os

import mvm

HOST = "api.openai.com"
PATH = "/v1/responses"
MODEL = "gpt-4.1-mini"


@mvm.app(
    name="agent-tool",
    source=mvm.local_path("."),
    image=mvm.nix_packages(["python312", "uv"]),
    resources=mvm.resources(cpu_cores=1, memory_mb=512),
    network=mvm.network(mode="deny", allow_https=["api.openai.com"]),
    env={
        "OPENAI_API_KEY": mvm.secret("openai-api-key"),
    },
    entrypoint=mvm.entrypoint_function(
        module="tool",
        function="run",
        primary=True,
    ),
)
def run(prompt: str) -> str:
    """Answers `prompt`, or says what would have been sent and why no answer came."""
    body = json.dumps({"model": MODEL, "input": prompt}).encode()
    summary = f"{count_tokens(prompt)} tokens, {len(body)} bytes for https://{HOST}{PATH}"
    key = os.environ.get("OPENAI_API_KEY", "")
    if not (key.isascii() and key.isprintable() and key.strip()):
        return f"{summary}; not sent: OPENAI_API_KEY is not set to a usable value"
    try:
        status, answer = send(body, key)
    except OSError as error:
        return f"{summary}; not sent: {HOST} cannot be reached ({reason(error)})"
    except Exception as error:  # an answer that is not HTTP; its text is not ours to repeat
        return f"{summary}; sent, but the answer was not understood ({type(error).__name__})"
    if status != 200:
        return f"{summary}; sent, and refused with HTTP status {status}"
    return text_of(answer) or f"{summary}; sent, and answered without text"


def count_tokens(text: str) -> int:
    """An estimate, as providers give it for English: four characters to a token, and at least one for each word."""
    return max(len(text.split()), -(-len(text) // 4))


def send(body: bytes, key: str) -> "tuple[int, bytes]":
    """Posts the request. Connecting may take one second, the answer thirty."""
    import http.client  # with TLS the slowest import of all: only who sends pays for it

    connection = http.client.HTTPSConnection(HOST, timeout=1)
    try:
        connection.connect()
        connection.sock.settimeout(30)
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        connection.request("POST", PATH, body, headers)
        response = connection.getresponse()
        return response.status, response.read(1 << 20)
    finally:
        connection.close()


def text_of(answer: bytes) -> str:
    """The text in a response of the API; empty when there is none."""
    try:
        items = json.loads(answer)["output"]
        parts = [part for item in items for part in item.get("content", [])]
        return "".join(part["text"] for part in parts if part.get("type") == "output_text")
    except (ValueError, LookupError, TypeError, AttributeError):
        return ""


def reason(error: OSError) -> str:
    """Why a connection failed, in words that hold no part of the request."""
    return error.strerror or str(error) or type(error).__name__


if __name__ == "__main__":
    import sys

    print(run(" ".join(sys.argv[1:]) or "hello"))
