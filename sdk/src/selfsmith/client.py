"""The client: one account, and the platform's nouns."""

import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import httpx

from selfsmith.configuration import account
from selfsmith.models import Me
from selfsmith.nouns.files import Files
from selfsmith.nouns.functions import Functions, Versions
from selfsmith.nouns.packs import Packs
from selfsmith.nouns.people import Account, Approvals, Packages, Secrets, Tasks
from selfsmith.nouns.runs import Runs
from selfsmith.nouns.store import Store
from selfsmith.nouns.triggers import Events, Rules, Schedules
from selfsmith.transport import USUAL_TIMEOUT, Retries, Transport


class Client:
    """A workspace of one Selfsmith, as its token's owner may use it. One client may serve many threads.

    Args:
        url, token: left out: SELFSMITH_URL and SELFSMITH_TOKEN, else what `selfsmith login` kept.
        timeout: seconds for an answer.
        retries: how often is tried again what may be.
        http: a client of httpx to use, such as one with certificates of your own.
        sleep: how to wait between two tries.

    Raises: NotConfigured
    """

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        *,
        timeout: httpx.Timeout | float = USUAL_TIMEOUT,
        retries: Retries = Retries(),  # noqa: B008  it cannot be changed
        http: httpx.Client | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        transport = Transport(account(url, token), timeout=timeout, retries=retries, http=http, sleep=sleep)
        self._transport = transport
        self.functions = Functions(transport)
        self.versions = Versions(transport)
        self.runs = Runs(transport)
        self.files = Files(transport)
        self.packs = Packs(transport)
        self.events = Events(transport)
        self.rules = Rules(transport)
        self.schedules = Schedules(transport)
        self.store = Store(transport)
        self.approvals = Approvals(transport)
        self.tasks = Tasks(transport)
        self.packages = Packages(transport)
        self.secrets = Secrets(transport)

    @property
    def url(self) -> str:
        return self._transport.url

    def me(self) -> Me:
        """Whose token it is, and where it counts."""
        return Account(self._transport).me()

    def call(self, name: str, /, *positional: Any, **arguments: Any) -> Any:
        """Run a function and give what it gives back; as `functions.call`."""
        return self.functions.call(name, *positional, **arguments)

    def close(self) -> None:
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Client({self.url!r})"
