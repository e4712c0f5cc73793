"""An admin of a workspace against the operator: a model's base URL that leads to what only this machine can reach."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest

from apps.llm.adapters.litellm_adapter import complete
from apps.llm.errors import ModelUnavailable
from apps.llm.types import Message, ModelConfig, ToolSpec

TOOLS = (ToolSpec("a_tool", "A tool.", {"type": "object", "properties": {}}),)
# Names for which litellm leaves the chat protocol: by prefix, and by what its list of models says of them.
NAMES = (
    "gpt-4o",
    "responses/x",
    "openai/responses/x",
    "o1-pro",
    "gpt-5-pro",
    "gpt-5.4",
    "o3-deep-research",
    "openai/openai/o1-pro",
)


def serve(hits: list[str], name: str, redirect: str = "") -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            hits.append(name)
            self.send_response(307 if redirect else 500)
            if redirect:
                self.send_header("Location", redirect + self.path)
            self.end_headers()

        def do_GET(self) -> None:
            self.do_POST()

        def log_message(self, *_: object) -> None:
            """Not to the test's output."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


@pytest.fixture
def servers() -> Iterator[SimpleNamespace]:
    """A server that the operator allows, and one beside it that nobody allows, to which the first redirects."""
    hits: list[str] = []
    inner = serve(hits, "inner")
    outer = serve(hits, "outer", redirect=f"http://127.0.0.1:{inner.server_port}")
    yield SimpleNamespace(hits=hits, address=f"127.0.0.1:{outer.server_port}")
    for server in (outer, inner):
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("name", NAMES)
def test_a_model_s_server_cannot_send_the_platform_on_to_an_inner_address(servers: SimpleNamespace, name: str) -> None:
    allowed = frozenset({servers.address})
    config = ModelConfig("litellm", name, f"http://{servers.address}", "", timeout_seconds=20, allowed_local_hosts=allowed)
    with pytest.raises(ModelUnavailable):
        complete(config, (Message("user", "hello"),), TOOLS)
    assert servers.hits == ["outer"]
