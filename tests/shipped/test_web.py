"""The pack `web` in real boxes: pages are read, and fetched from granted hosts only."""

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from apps.core.tenancy import scope
from apps.functions.capabilities import ensure_capabilities
from apps.functions.definition import Settings
from apps.functions.models import Function, FunctionVersion
from apps.functions.services import resolve_closure, save_version
from tests.shipped.conftest import approve_all

pytestmark = pytest.mark.gvisor
HOST = "shop.example"
PAGE = """<!doctype html><html><head><title>Prices &amp; more</title><meta name="description" content="All prices">
<style>p { color: red }</style></head><body><h1>Prices</h1><script>alert("no")</script>
<p>Apples are <b>cheap</b>.</p><p>See <a href="/more?x=1#top">more</a> and <a href="https://example.org/">others</a>,
<a href="/more?x=1">again</a>, <a href="javascript:x()">not this</a>.</p>
<table><tr><th>Fruit</th><th>Price</th></tr><tr><td>Apple</td><td> 1 &euro; </td></tr></table><p>unclosed"""
TEXT = "Prices\nApples are cheap.\nSee more and others,\nagain, not this.\nFruit\nPrice\nApple\n1 €\nunclosed"
LINKS = [{"url": "http://shop.example/more?x=1", "text": "more"}, {"url": "https://example.org/", "text": "others"}]


class _Shop(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = PAGE.encode("latin-1", "xmlcharrefreplace")
        self.send_response(404 if self.path == "/gone" else 200)
        self.send_header("Content-Type", "text/html; charset=latin-1")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def shop(settings, monkeypatch) -> Iterator[str]:
    look_up = socket.getaddrinfo
    at_home = lambda host, port, **more: look_up("127.0.0.1" if host == HOST else host, port, **more)  # noqa: E731
    monkeypatch.setattr("socket.getaddrinfo", at_home)
    with ThreadingHTTPServer(("127.0.0.1", 0), _Shop) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        settings.EGRESS_ALLOWED_LOCAL_HOSTS = [HOST]
        yield f"http://{HOST}:{server.server_address[1]}"
        server.shutdown()


@pytest.fixture(autouse=True)
def _loaded(load) -> None:
    load("web")


def test_a_page_is_read_as_people_would(result) -> None:
    assert result("readable_text", page=PAGE) == TEXT
    assert result("page_links", page=PAGE, base_url="http://shop.example/a/") == LINKS
    assert result("page_tables", page=PAGE) == [[["Fruit", "Price"], ["Apple", "1 €"]]]
    assert result("page_facts", page=PAGE) == {"title": "Prices & more", "meta": {"description": "All prices"}}


def test_what_is_no_page_is_read_too(result) -> None:
    assert result("readable_text", page="</p></script><<a href='http://[x'>y</table><td>z") != ""
    assert result("page_links", page="<a href='http://[x'>y</a>") == []


def test_without_a_granted_host_it_says_what_to_do(run) -> None:
    done = run("fetch", url="https://example.org/")
    assert (done.state, done.error["type"]) == ("failed", "PermissionError")
    assert "Edit it, add example.org, and have it approved" in done.error["message"]
    assert "is no address of the web" in run("fetch", url="file:///etc/passwd").error["message"]


def test_a_page_of_a_granted_host_is_fetched_and_read_and_no_other(cast, run, result, shop: str) -> None:
    with scope(cast.acme.pk):
        function = Function.objects.select_related("active_version").get(name="fetch")
        hosts = Settings(hosts=(shop.removeprefix("http://"),))
        save_version(actor=cast.developer, function=function, source=function.active_version.source, settings=hosts)
    approve_all(cast)
    with scope(cast.acme.pk):  # who calls it asks for the host as well, with the first run
        page = FunctionVersion.objects.active_by_name(["fetch_page"], task_id=None)["fetch_page"]
        ensure_capabilities(actor=cast.developer, closure=resolve_closure(page), reason="To read pages.")
    approve_all(cast)
    told = result("fetch", url=f"{shop}/")
    assert (told["status"], told["content_type"], told["is_cut"]) == (200, "text/html", False)
    assert "Apples are <b>cheap</b>" in told["text"]
    assert result("fetch", url=f"{shop}/gone")["status"] == 404
    page = result("fetch_page", url=f"{shop}/a/")
    assert (page["title"], page["text"]) == ("Prices & more", TEXT)
    assert page["links"][0]["url"] == f"{shop}/more?x=1"
    assert run("fetch", url="http://other.example/").result["status"] == 403
