"""Real installations for tests: web, worker and scheduler of this checkout as processes, each with everything of its own.

An installation has its own database (used by the role that row level security binds), Redis, home and name on its
boxes, so several can run side by side. Only the PostgreSQL server, named by SELFSMITH_DATABASE_HOST, is shared.
Which processes there are is said by the same shapes as the installer's.
"""

import base64
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from json import loads
from pathlib import Path
from typing import Any

import docker
import httpx
import psycopg

from installer.programs import serve, work
from installer.shape import EMBEDDED, Shape, production_shape
from sandbox import DockerDriver
from tests.processes.front import HOST, Front, make_certificate, stand_before, trusted

CHECKOUT = Path(__file__).resolve().parents[2]
PYTHON = sys.executable
LOOK_EVERY = 0.02  # seconds between two looks at a condition
START_SECONDS = 60  # two cores are shared with boxes, and sometimes with other tests
STOP_SECONDS = 30
LOG_LINES = 60
PRODUCTION = production_shape({"SELFSMITH_HOSTS": HOST})  # as `make prod` without further variables
KEPT = ("PATH", "HOME", "LANG", "DOCKER_HOST", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "HTTPS_PROXY", "NO_PROXY")
ADD_WORKSPACES = """
from apps.accounts.models import User
from apps.core.tenancy import scope
from apps.llm.services import ensure_builtin_models
from apps.workspaces.models import Membership
from apps.workspaces.roles import Role
from apps.workspaces.services import add_member, create_workspace

for slug in {slugs!r}:
    workspace = create_workspace(slug=slug, name=slug, owner=User.objects.get(username="owner"))
    with scope(workspace.pk):
        owner = Membership.objects.get()
        ensure_builtin_models(actor=owner)
        add_member(actor=owner, user=User.objects.get(username="approver"), role=Role.APPROVER)
        add_member(actor=owner, user=User.objects.get(username="developer"), role=Role.DEVELOPER)
"""
running: list["Installation"] = []  # for the logs in the report of a failed test


class NeverHappened(AssertionError):
    """A condition did not come true in time."""


@dataclass(frozen=True)
class Foundation:
    """What all installations of a test session share: collected static files, a database with all tables, a certificate."""

    folder: Path
    template: str

    @property
    def certificate(self) -> Path:
        return self.folder / "front.pem"

    @property
    def static(self) -> Path:
        return self.folder / "static"


@dataclass
class Installation:
    """Started processes and the clients to speak with them. `variables` is the processes' whole environment."""

    home: Path
    ports: Mapping[str, int]
    variables: dict[str, str]
    shape: Shape = EMBEDDED
    front: Front | None = None
    passwords: dict[str, str] = field(default_factory=dict)
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    _clients: dict[tuple[str, str, str], httpx.Client] = field(default_factory=dict)

    @property
    def port(self) -> int:
        """Where the first web process listens."""
        return self.ports[self.shape.webs[0]]

    @property
    def url(self) -> str:
        """Where people reach it."""
        return self.front.url if self.front else f"http://{HOST}:{self.port}"

    @property
    def name(self) -> str:
        return self.variables["SELFSMITH_INSTALLATION"]

    def command_of(self, name: str) -> list[str]:
        """The processes are those of a real installation; a number after their name tells several of one kind apart."""
        kind = name.partition("-")[0]
        if kind == "redis":
            settings = ["--port", "0", "--save", "", "--appendonly", "no", "--unixsocket", str(self.home / "redis.sock")]
            return ["redis-server", *settings]
        if kind == "web":
            return [PYTHON, *serve(self.ports[name])]
        return [PYTHON, *work(name)] if kind == "worker" else [PYTHON, "manage.py", "run_scheduler"]

    def begin(self, *, seed: bool = False) -> None:
        """Start what the shape says, with the demo's people if wanted, and wait for the web processes."""
        running.append(self)
        self.start("redis")
        self.wait_until((self.home / "redis.sock").is_socket, START_SECONDS, "the socket of Redis")
        for name in self.shape.names:
            self.start(name)
        if seed:
            self.manage("seed_demo", "--passwords-to", str(self.home / "sign-ins"))
            lines = (self.home / "sign-ins").read_text().splitlines()
            self.passwords = {each["username"]: each["password"] for each in map(loads, lines)}
        for name in self.ports:
            self.wait_for_web(name)

    def start(self, name: str) -> None:
        """Start one process, also of those that the shape does not have. It ends with this one, whatever happens here."""
        with (self.home / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "--", *self.command_of(name)],
                cwd=CHECKOUT,
                env=self.variables,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def kill(self, name: str) -> None:
        """kill -9: the process gets no chance to put anything in order."""
        self.processes[name].kill()
        self.processes[name].wait()

    def terminate(self, *names: str) -> None:
        """Ask all of them to end, and end what does not."""
        asked = [self.processes.pop(name) for name in names]
        for process in asked:
            process.send_signal(signal.SIGTERM)
        for process in asked:
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def restart(self, name: str) -> None:
        """Start again what was killed; the web process is waited for, since clients would meet a closed door."""
        self.start(name)
        if name in self.ports:
            self.wait_for_web(name)

    def wait_for_web(self, name: str) -> None:
        address = f"http://{HOST}:{self.ports[name]}/readyz"
        self.wait_until(lambda: httpx.get(address).is_success, START_SECONDS, f"a ready {name}")

    def wait_until[Found](self, condition: Callable[[], Found], seconds: float, what: str) -> Found:
        """Look until `condition` gives something true, and give that. A web process that is down counts as "not yet".

        Raises: NeverHappened
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            with suppress(httpx.TransportError):
                if found := condition():
                    return found
            time.sleep(LOOK_EVERY)
        raise NeverHappened(f"Within {seconds} s there was not: {what}")

    def manage(self, *arguments: str, role: str = "app") -> str:
        """A command of manage.py that must succeed; gives what it printed."""
        done = self.run_manage(*arguments, role=role)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def run_manage(self, *arguments: str, role: str = "app", text: str = "") -> subprocess.CompletedProcess[str]:
        """A command of manage.py, which may fail; `text` is its input."""
        return subprocess.run(
            [PYTHON, "manage.py", *arguments],
            cwd=CHECKOUT,
            env={**self.variables, "SELFSMITH_DATABASE_ROLE": role},
            input=text,
            capture_output=True,
            text=True,
            timeout=150,
            check=False,
        )

    def session(self, user: str, workspace: str = "acme") -> httpx.Client:
        """Signed in by the page's own form, as a browser would be; the same client each time."""
        return self._client("session", user, workspace, self._sign_in)

    def api(self, user: str = "owner", workspace: str = "acme") -> httpx.Client:
        """The REST interface by a token of the user's own; the same client each time."""
        return self._client("api", user, workspace, self._with_token)

    def _client(self, kind: str, user: str, workspace: str, make: Callable[[str, str], httpx.Client]) -> httpx.Client:
        key = (kind, user, workspace)
        if key not in self._clients:
            self._clients[key] = make(user, workspace)
        return self._clients[key]

    def _sign_in(self, user: str, workspace: str) -> httpx.Client:
        client = httpx.Client(base_url=self.url, timeout=30, follow_redirects=True)
        form = {"login": user, "password": self.passwords[user], "csrfmiddlewaretoken": _csrf(client.get("/accounts/login/"))}
        client.post("/accounts/login/", data=form, headers={"Referer": self.url})
        assert "sessionid" in client.cookies, f"{user} could not sign in"
        token = client.cookies["csrftoken"]
        client.headers.update({"X-Workspace": workspace, "X-CSRFToken": token, "Referer": self.url, "Origin": self.url})
        return client

    def _with_token(self, user: str, workspace: str) -> httpx.Client:
        answer = self.session(user, workspace).post("/api/v1/tokens", json={"name": "tests", "days": 1})
        bearer = {"Authorization": f"Bearer {checked(answer)['token']}"}
        return httpx.Client(base_url=f"{self.url}/api/v1", headers=bearer, timeout=30)

    def add_workspaces(self, *slugs: str) -> None:
        """Further tenants like acme, empty: the same people, nothing granted, no task."""
        self.manage("shell", "--verbosity=0", "--command", ADD_WORKSPACES.format(slugs=slugs))

    def rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Straight from the database, across workspaces: for counting what the interface does not show."""
        with connect_to(self.variables["SELFSMITH_DATABASE_NAME"], "selfsmith_app") as database:
            database.execute("SELECT set_config('selfsmith.workspace', 'every', false)")
            return database.execute(statement, values).fetchall()

    def boxes(self) -> list[Any]:
        """The installation's containers, the newest first."""
        engine = docker.from_env()
        try:
            wanted = {"label": f"selfsmith.installation={self.name}"}
            return engine.containers.list(all=True, filters=wanted, ignore_removed=True)
        finally:
            engine.close()

    def logs(self) -> Iterator[tuple[str, str]]:
        """The end of what each process said."""
        for path in sorted(self.home.glob("*.log")):
            yield path.stem, "\n".join(path.read_text(errors="replace").splitlines()[-LOG_LINES:])

    def stop(self) -> None:
        """End the processes in order, and remove the boxes that killed workers left."""
        for kind in ("scheduler", "worker", "web", "redis"):
            self.terminate(*[name for name in self.processes if name.partition("-")[0] == kind])
        for client in self._clients.values():
            client.close()
        if self.boxes():
            self._driver().sweep(lambda labels: False)  # which thaws them first: a frozen box cannot be removed by hand

    def _driver(self) -> DockerDriver:
        return DockerDriver(
            image=self.variables["SELFSMITH_BOX_IMAGE"],
            runtime="runsc",
            home=self.home / "boxes",
            environments=self.home / "environments",
            installation=self.name,
        )


def checked(answer: httpx.Response) -> Any:
    """The JSON of an answer that must be a good one."""
    assert answer.is_success, f"{answer.request.method} {answer.request.url} answered {answer.status_code}: {answer.text[:500]}"
    return answer.json()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def prepare_foundation(folder: Path) -> Iterator[Foundation]:
    """Collect the static files, make the tables in a database to copy; both are gone afterwards."""
    foundation = Foundation(folder, f"selfsmith_processes_{secrets.token_hex(4)}")
    make_certificate(foundation.certificate)
    maker = Installation(folder, {}, _variables(folder, 0, foundation.template, {}))
    with _database(foundation.template), trusted(foundation.certificate):
        maker.manage("collectstatic", "--no-input", "--verbosity=0")
        maker.manage("migrate", "--no-input", "--verbosity=0", role="owner")
        yield foundation
    shutil.rmtree(folder)


@contextmanager
def install(foundation: Foundation, home: Path, settings: Mapping[str, str], shape: Shape = EMBEDDED) -> Iterator[Installation]:
    """A running, seeded installation; `settings` are further variables. Nothing of it is left afterwards."""
    with lay_out(foundation, home, settings, shape) as made:
        made.begin(seed=True)
        yield made


@contextmanager
def lay_out(foundation: Foundation, home: Path, settings: Mapping[str, str], shape: Shape = EMBEDDED) -> Iterator[Installation]:
    """An installation with empty tables of which nothing runs yet. Nothing of it is left afterwards."""
    database, ports = f"{foundation.template}_{secrets.token_hex(4)}", {name: free_port() for name in shape.webs}
    (home / "static").symlink_to(foundation.static)
    chosen = {"DJANGO_SETTINGS_MODULE": shape.settings, **shape.variables, **settings}
    before = stand_before(ports, foundation.certificate) if shape.settings == PRODUCTION.settings else nullcontext()
    with _database(database, template=foundation.template), before as front:
        made = Installation(home, ports, _variables(home, ports[shape.webs[0]], database, chosen), shape, front)
        try:
            yield made
        finally:
            made.stop()
            with suppress(ValueError):
                running.remove(made)
    shutil.rmtree(home)


def _variables(home: Path, port: int, database: str, settings: Mapping[str, str]) -> dict[str, str]:
    """Nothing of the tests' own settings may reach the processes, so little is taken over."""
    return {
        **{name: os.environ[name] for name in KEPT if name in os.environ},
        "SELFSMITH_HOME": str(home),
        "SELFSMITH_INSTALLATION": f"test-{secrets.token_hex(4)}",
        "SELFSMITH_PORT": str(port),
        "SELFSMITH_SECRET_KEY": secrets.token_urlsafe(32),
        "SELFSMITH_VAULT_ROOT_KEY": base64.b64encode(secrets.token_bytes(32)).decode(),
        "SELFSMITH_DATABASE_HOST": os.environ["SELFSMITH_DATABASE_HOST"],
        "SELFSMITH_DATABASE_NAME": database,
        "SELFSMITH_REDIS_URL": f"unix://{home / 'redis.sock'}",
        "SELFSMITH_BOX_IMAGE": os.environ.get("SELFSMITH_BOX_IMAGE", "selfsmith-box:dev"),
        "SELFSMITH_BOXES_MIN": "1",
        "SELFSMITH_RATE_PER_MEMBER": "100000/minute",  # counted as usual; tests and measurements ask faster than programs may
        "SELFSMITH_RATE_PER_WORKSPACE": "500000/minute",
        "DJANGO_SETTINGS_MODULE": "config.settings.embedded",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "PYTHONUNBUFFERED": "1",
        **settings,
    }


@contextmanager
def _database(name: str, *, template: str = "template1") -> Iterator[None]:
    """A database of the role that owns the tables, dropped in the end."""
    with connect_to("postgres", "selfsmith_owner") as server:
        server.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    try:
        yield
    finally:
        with connect_to("postgres", "selfsmith_owner") as server:
            server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def connect_to(database: str, role: str) -> psycopg.Connection[tuple[Any, ...]]:
    return psycopg.connect(host=os.environ["SELFSMITH_DATABASE_HOST"], dbname=database, user=role, autocommit=True)


def _csrf(page: httpx.Response) -> str:
    found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)
    assert found, f"{page.url} has no form"
    return found[1]
