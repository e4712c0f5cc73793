"""A small OpenAI-compatible server that plays the prepared scripts, for trying out the models page and for tests.

    python -m apps.llm.scripted_server --port 8099 --key secret-key --fault rate_limited --fault malformed_call

It calls no model. Each `--fault` spoils one request, in order; after them it answers well. Loopback only.
"""

from __future__ import annotations

import argparse
import json
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from apps.llm.checked_http import MAX_REPLY_BYTES
from apps.llm.hashed_words import vector_of
from apps.llm.library import play, prepared_scripts
from apps.llm.script import Script, read_script
from apps.llm.wire import call_to_wire, message_from_wire

MODEL = "scripted"
RETRY_AFTER_SECONDS = 2
CONNECTION_TEST = read_script(
    """
    {name: connection_test, title: Test of the connection, prompt: "", answers: test of the connection, files: "*",
     rules: [{name: answer, when: {after: start}, say: Ready., call: {say_ready: {}}}]}
    """
)


class ScriptedServer(ThreadingHTTPServer):
    """`with ScriptedServer() as server:` serves in a thread at `server.base_url` until the block ends.

    `requests` keeps the bodies of the requests, for tests to look at. Port 0 takes a free one.
    """

    daemon_threads = True

    def __init__(
        self, *, port: int = 0, key: str = "", faults: Iterable[str] = (), scripts: Sequence[Script] | None = None
    ) -> None:
        self.key = key
        self.faults = deque(faults)
        if unknown := set(self.faults) - set(FAULTS):
            raise ValueError(f"No such fault: {', '.join(sorted(unknown))}. There are: {', '.join(FAULTS)}.")
        self.scripts = (CONNECTION_TEST, *(prepared_scripts() if scripts is None else scripts))
        self.requests: list[dict[str, Any]] = []
        self.ended = threading.Event()
        super().__init__(("127.0.0.1", port), _Exchange)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def __enter__(self) -> ScriptedServer:
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self.shutdown()
        self.server_close()


class _Exchange(BaseHTTPRequestHandler):
    """One request and its answer."""

    server: ScriptedServer
    protocol_version = "HTTP/1.1"
    body: dict[str, Any]

    def do_GET(self) -> None:
        if self.path == "/v1/models":
            self.send_json(200, {"object": "list", "data": [{"id": MODEL, "object": "model", "owned_by": "selfsmith"}]})
        else:
            self.send_error_json(404, "There is no such page.")

    def do_POST(self) -> None:
        self.body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))))
        if self.path not in ("/v1/chat/completions", "/v1/embeddings"):
            self.send_error_json(404, "There is no such page.")
        elif self.server.key and self.headers.get("Authorization") != f"Bearer {self.server.key}":
            _wrong_key(self)
        else:
            self.server.requests.append(self.body)
            self.answer()

    def answer(self) -> None:
        if self.server.faults:
            FAULTS[self.server.faults.popleft()](self)
        elif self.body.get("model") != MODEL:
            self.send_error_json(404, f"There is no model {self.body.get('model')!r}.", "model_not_found")
        elif self.path == "/v1/embeddings":
            self.send_vectors()
        else:
            self.send_completion(self.prepared_message())

    def send_vectors(self) -> None:
        """Counted words, in OpenAI's shape."""
        texts = self.body["input"]
        rows = [{"object": "embedding", "index": place, "embedding": vector_of(text)} for place, text in enumerate(texts)]
        tokens = sum(len(text) for text in texts) // 4
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        self.send_json(200, {"object": "list", "model": MODEL, "data": rows, "usage": usage})

    def prepared_message(self) -> dict[str, Any]:
        """What the scripts reply, in OpenAI's shape."""
        reply = play(self.server.scripts, [message_from_wire(message) for message in self.body["messages"]])
        message: dict[str, Any] = {"role": "assistant", "content": reply.text}
        if reply.tool_calls:
            message["tool_calls"] = [call_to_wire(call) for call in reply.tool_calls]
        return message

    def send_completion(self, message: dict[str, Any]) -> None:
        text = json.dumps(message)
        usage = {"prompt_tokens": len(text) // 4, "completion_tokens": len(text) // 4, "total_tokens": len(text) // 2}
        reason = "tool_calls" if message.get("tool_calls") else "stop"
        choice = {"index": 0, "message": message, "finish_reason": reason}
        head = {"id": f"scripted-{len(self.server.requests)}", "object": "chat.completion", "created": 0, "model": MODEL}
        self.send_json(200, {**head, "choices": [choice], "usage": usage})

    def send_error_json(self, status: int, message: str, code: str = "error", **headers: str) -> None:
        self.send_json(status, {"error": {"message": message, "type": code, "code": code}}, **headers)

    def send_json(self, status: int, data: Any, **headers: str) -> None:
        self.send_bytes(status, json.dumps(data).encode(), "application/json", **headers)

    def send_bytes(self, status: int, body: bytes, media_type: str, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": media_type, "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Quiet: the requests are kept instead."""


def _malformed_call(exchange: _Exchange) -> None:
    """The right call with its arguments cut in half, as a model does that runs out of tokens."""
    message = exchange.prepared_message()
    for call in message.get("tool_calls", ()):
        text = call["function"]["arguments"]
        call["function"]["arguments"] = text[: len(text) // 2]
    exchange.send_completion(message)


def _rate_limited(exchange: _Exchange) -> None:
    exchange.send_error_json(429, "Too many requests.", "rate_limit_exceeded", Retry_After=str(RETRY_AFTER_SECONDS))


def _wrong_key(exchange: _Exchange) -> None:
    given = exchange.headers.get("Authorization", "no key")
    exchange.send_error_json(401, f"Incorrect API key provided: {given}.", "invalid_api_key")


def _server_error(exchange: _Exchange) -> None:
    exchange.send_error_json(500, "The server has failed.", "server_error")


def _dead(exchange: _Exchange) -> None:
    exchange.close_connection = True
    exchange.connection.close()


def _slow(exchange: _Exchange) -> None:
    """Says nothing until the server ends; the caller's own deadline has to end the call."""
    exchange.server.ended.wait()
    exchange.close_connection = True


def _not_json(exchange: _Exchange) -> None:
    exchange.send_bytes(200, b"<html>Welcome to the portal</html>", "text/html")


def _redirect(exchange: _Exchange) -> None:
    exchange.send_bytes(307, b"", "text/plain", Location="http://169.254.169.254/latest/meta-data/")


def _drip(exchange: _Exchange) -> None:
    """One byte every twentieth of a second: never silent, never done."""
    exchange.close_connection = True
    exchange.send_response(200)
    exchange.end_headers()
    with suppress(OSError):  # the caller hangs up
        while not exchange.server.ended.wait(0.05):
            exchange.wfile.write(b" ")


def _flood(exchange: _Exchange) -> None:
    with suppress(OSError):
        exchange.send_bytes(200, b" " * (2 * MAX_REPLY_BYTES), "application/json")


FAULTS: dict[str, Callable[[_Exchange], None]] = {
    "malformed_call": _malformed_call,
    "rate_limited": _rate_limited,
    "wrong_key": _wrong_key,
    "server_error": _server_error,
    "dead": _dead,
    "slow": _slow,
    "drip": _drip,
    "flood": _flood,
    "not_json": _not_json,
    "redirect": _redirect,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m apps.llm.scripted_server", description=__doc__)
    parser.add_argument("--port", type=int, default=8099)
    parser.add_argument("--key", default="", help="the key that requests must carry; none by default")
    parser.add_argument("--fault", action="append", default=[], choices=list(FAULTS))
    options = parser.parse_args()
    server = ScriptedServer(port=options.port, key=options.key, faults=options.fault)
    print(f"Prepared replies; no model is called. Base URL {server.base_url}, model openai/{MODEL}", flush=True)  # noqa: T201
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        server.server_close()


if __name__ == "__main__":
    main()
