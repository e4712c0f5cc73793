"""What the installer asks of the platform itself, always by calling manage.py or its address; nothing is imported."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from .errors import SetupError
from .progress import Step
from .setup import Setup
from .shell import Result
from .supervise import Supervisor

READINESS = "/readyz"  # asked of the process itself: the pages may insist on https
WEB_SECONDS = 45


@dataclass(frozen=True)
class SignIn:
    """An account that a person can sign in with. Shown once, on the terminal; kept nowhere."""

    username: str
    password: str


@dataclass(frozen=True)
class Application:
    setup: Setup
    environment: Mapping[str, str]

    @property
    def address(self) -> str:
        return self.address_of(self.setup.shape.webs[0])

    def address_of(self, web: str) -> str:
        return f"http://127.0.0.1:{self.setup.ports[web]}"

    def manage(self, *arguments: str, doing: str, as_role: str = "app") -> str:
        """Runs a command of manage.py and gives what it printed. Only migrations run as the role that owns the tables.

        Raises: SetupError
        """
        return self.setup.shell.run(
            [self.setup.tool("python"), "manage.py", *arguments],
            doing=doing,
            directory=self.setup.checkout,
            environment={**self.environment, "SELFSMITH_DATABASE_ROLE": as_role},
        ).output

    def play(self, people: str, *, on_line: Callable[[str], None]) -> Result:
        """Runs the demo's people, whose sign-ins it gets on its input; how it ended is for the caller to judge."""
        return self.setup.shell.run(
            [self.setup.tool("python"), "manage.py", "play_demo", f"--url={self.address}", "--sign-ins=-"],
            check=False,
            directory=self.setup.checkout,
            environment=self.environment,
            text=people,
            on_line=on_line,
        )

    def migrate(self, step: Step) -> None:
        """Brings the tables to what the code expects."""
        output = self.manage("migrate", "--no-input", "--verbosity=1", doing="preparing the tables", as_role="owner")
        applied = output.count("... OK")
        step.detail = f"{applied} migrations applied" if applied else "tables up to date"

    def check_engines(self, *options: str, as_role: str) -> None:
        """Whether engines that the installation did not start are as they should be, for the role.

        Raises: SetupError with what is wrong and is the operator's to mend.
        """
        result = self.setup.shell.run(
            [self.setup.tool("python"), "manage.py", "check_engines", *options],
            check=False,
            directory=self.setup.checkout,
            environment={**self.environment, "SELFSMITH_DATABASE_ROLE": as_role},
        )
        if not result.ok:
            raise SetupError(
                result.complaint.removeprefix("CommandError: "),
                "See `Engines of your own` in docs/how-to/production.md; what is given there is tried anew at each start.",
            )

    def collect_assets(self) -> None:
        """Gathers what the pages load into one folder, under names that carry their digest."""
        self.manage("collectstatic", "--no-input", "--verbosity=0", doing="gathering what the pages load")

    def seed(self) -> list[SignIn]:
        """Makes the cast and its demo task as far as they are missing, with new passwords."""
        return read_sign_ins(self.manage("seed_demo", "--passwords-to", "-", doing="making the first accounts"))

    def wait_for_sign_in_page(self, supervisor: Supervisor, web: str) -> None:
        """Raises: SetupError when the page does not come."""
        supervisor.wait_until(lambda: self.serves(web), web, seconds=WEB_SECONDS)

    def serves(self, web: str) -> bool:
        """Whether the process can serve: it answers, and so do its database, Redis and tables.

        Raises: SetupError when the server answers by an error of its own, which waiting does not mend.
        """
        try:
            with urllib.request.urlopen(self.address_of(web) + READINESS, timeout=10) as answer:
                return bool(answer.status == 200)
        except urllib.error.HTTPError as error:
            raise SetupError(
                f"{web} is not ready ({error.code}).", f"The reason is at the end of {self.setup.home.logs / web}.log."
            ) from error
        except OSError:
            return False  # not listening yet


def read_sign_ins(output: str) -> list[SignIn]:
    """The sign-ins among the lines of `seed_demo --passwords-to -`: JSON objects with username and password."""
    objects = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    return [SignIn(entry["username"], entry["password"]) for entry in objects if "password" in entry]


def describe_sign_ins(sign_ins: Sequence[SignIn]) -> str:
    """A table for the terminal."""
    width = max((len(entry.username) for entry in sign_ins), default=0)
    return "\n".join(f"    {entry.username:<{width}}   {entry.password}" for entry in sign_ins)
