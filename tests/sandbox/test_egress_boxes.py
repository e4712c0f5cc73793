"""What a job in a box can reach: its hosts by unmodified clients, and nothing besides."""

import http.server
import socket
import textwrap
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sandbox import Connection, DockerDriver, InvalidJob, Job, Kind, Limits, Source

Run = Callable[..., Any]
HOST = "tools.example"


class Greeting(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/away":
            self.send_response(302)
            self.send_header("Location", "http://elsewhere.example/")
            self.end_headers()
            return
        self._say(f"{self.headers['Host']}{self.path}".encode())

    def do_POST(self) -> None:
        self._say(self.rfile.read(int(self.headers["Content-Length"]))[::-1])

    def _say(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Of a server on loopback that this machine knows as HOST."""
    look_up = socket.getaddrinfo

    def answers(host: str, port: int, **more: Any) -> Any:
        return look_up("127.0.0.1" if host == HOST else host, port, **more)

    monkeypatch.setattr("socket.getaddrinfo", answers)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Greeting)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


def granted(port: int) -> dict[str, Any]:
    return {"hosts": (f"{HOST}:{port}",), "local_hosts": frozenset({HOST})}


ASK = """
import http.client, urllib.error, urllib.request
def main(urls):
    said = []
    for url in urls:
        try:
            said.append(urllib.request.urlopen(url, timeout=10).read().decode())
        except urllib.error.HTTPError as error:
            said.append(f"{error.code} {error.read().decode()}")
        except OSError as error:
            said.append(str(error))
    return said
"""


def test_an_unmodified_client_reaches_what_was_granted_and_nothing_else(run: Run, port: int) -> None:
    urls = [
        f"http://{HOST}:{port}/a", f"http://{HOST}:{port}/away", "http://other.example/", "https://other.example/",
        "http://10.0.0.1/", "https://169.254.169.254/latest", f"https://{HOST}:22/",
    ]  # fmt: skip
    told = run(ASK, arguments={"urls": urls}, **granted(port))
    assert told.outcome.ok, told.outcome
    first, *refused = told.outcome.result
    assert first == f"{HOST}:{port}/a"
    assert all("403" in said or "granted" in said for said in refused), refused
    verdicts = [(record.host, record.verdict) for record in told.of(Connection)]
    assert verdicts[0] == (HOST, "allowed")
    assert ("elsewhere.example", "refused") in verdicts
    assert [verdict for _, verdict in verdicts].count("allowed") == 2


def test_a_client_that_speaks_to_a_proxy_by_itself_sends_a_body(run: Run, port: int) -> None:
    told = run(
        """
        import http.client, os, urllib.parse
        def main(url):
            proxy = urllib.parse.urlsplit(os.environ["HTTP_PROXY"])
            client = http.client.HTTPConnection(proxy.hostname, proxy.port, timeout=10)
            client.request("POST", url, body=b"desserts" * 20_000, headers={"Connection": "keep-alive"})
            return client.getresponse().read().decode() == "stressed" * 20_000
        """,
        arguments={"url": f"http://{HOST}:{port}/"},
        **granted(port),
    )
    assert told.outcome.result is True, told.outcome
    (record,) = told.of(Connection)
    assert record.sent > 160_000
    assert record.received > 160_000


@pytest.mark.gvisor
def test_a_box_without_hosts_has_neither_relay_nor_door(run_boxed: Run) -> None:
    told = run_boxed(
        """
        import os, socket
        def main():
            return {
                "proxies": [name for name in os.environ if "proxy" in name.lower()],
                "relay": socket.socket().connect_ex(("127.0.0.1", 3128)),
                "doors": os.listdir("/control"),
            }
        """
    )
    assert told.outcome.result == {"proxies": [], "relay": 111, "doors": []}


@pytest.mark.gvisor
def test_there_is_no_way_round_the_proxy(run_boxed: Run, port: int) -> None:
    told = run_boxed(
        """
        import os, socket
        def main(port):
            def tried(family, address):
                return socket.socket(family).connect_ex(address)
            door = socket.socket(socket.AF_UNIX)
            door.connect("/control/egress")
            door.sendall(b"CONNECT 127.0.0.1:%d HTTP/1.1\\r\\n\\r\\n" % port)
            return {
                "by the door": door.recv(100).decode().split()[1],
                "loopback of the host": tried(socket.AF_INET, ("127.0.0.1", port)),
                "outside": tried(socket.AF_INET, ("1.1.1.1", 443)),
                "control": tried(socket.AF_UNIX, "/control/socket") != 0,
                "writable": os.access("/control", os.W_OK),
                "interfaces": [name for _, name in socket.if_nameindex()],
            }
        """,
        arguments={"port": port},
        **granted(port),
    )
    assert told.outcome.ok, told.outcome
    assert told.outcome.result.pop("outside") != 0
    assert told.outcome.result == {
        "by the door": "403",
        "loopback of the host": 111,
        "control": True,
        "writable": False,
        "interfaces": ["lo"],
    }


def test_a_run_that_holds_connections_ends_in_time_and_its_proxy_with_it(run: Run, port: int) -> None:
    before = threading.active_count()
    told = run(
        """
        import os, socket, time, urllib.parse
        def main():
            proxy = urllib.parse.urlsplit(os.environ["HTTP_PROXY"])
            held = [socket.create_connection((proxy.hostname, proxy.port)) for _ in range(40)]
            for each in held:
                each.send(b"GET ")
            time.sleep(60)
        """,
        limits=Limits(wall_seconds=3),
        **granted(port),
    )
    assert told.outcome.kind is Kind.TIMEOUT
    assert told.outcome.seconds < 5
    assert [thread.name for thread in threading.enumerate() if thread.name == "egress-proxy"] == []
    assert threading.active_count() <= before + 2  # the server's own
    assert sum("at a time" in record.reason for record in told.of(Connection)) == 24


@pytest.mark.gvisor
def test_each_job_of_a_kept_box_has_a_way_out_of_its_own(gvisor: DockerDriver, port: int) -> None:
    seen: list[Connection] = []

    def hear(event: Any) -> None:
        if isinstance(event, Connection):
            seen.append(event)

    job = Job(
        sources=(Source("main", ASK, "main"),),
        arguments={"urls": [f"http://{HOST}:{port}/a"]},
        limits=Limits(wall_seconds=20),
        shares_box=True,
        **granted(port),
    )
    with gvisor.start() as box:
        for _ in range(2):
            box.renew()
            assert box.is_renewed(20)
            outcome = box.run(job, on_event=hear)
            assert outcome.result == [f"{HOST}:{port}/a"], outcome
    assert [record.verdict for record in seen] == ["allowed", "allowed"]


@pytest.mark.gvisor
def test_a_tool_that_ends_its_relay_harms_only_itself(gvisor: DockerDriver, port: int) -> None:
    text = textwrap.dedent(
        """
        import os, signal, urllib.request
        def end(pid):
            while True:
                try:
                    return os.kill(pid, signal.SIGKILL)
                except PermissionError:  # it has not yet become the tool's user, which takes it some milliseconds
                    os.sched_yield()
        def main(url):
            for name in filter(str.isdigit, os.listdir("/proc")):
                if name not in ("1", str(os.getpid())):
                    end(int(name))
            try:
                urllib.request.urlopen(url, timeout=10)
            except OSError as error:
                return str(error)
        """
    )
    with gvisor.start() as box:
        job = Job(sources=(Source("main", text, "main"),), arguments={"url": f"http://{HOST}:{port}/"}, **granted(port))
        outcome = box.run(job, on_event=lambda event: None)
    assert outcome.ok
    assert "refused" in outcome.result


@pytest.mark.parametrize("host", ["*.example.org", "127.0.0.1", "example.org:22", "http://example.org"])
def test_a_job_cannot_ask_for_what_is_no_host(host: str) -> None:
    with pytest.raises(InvalidJob):
        Job(sources=(Source("main", "def main():\n    pass\n", "main"),), hosts=(host,))
