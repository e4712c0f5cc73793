"""HTTP with the platform: one request, tried again where that does no harm, and its failure as a typed error."""

import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from importlib.metadata import version
from typing import Any

import httpx

from selfsmith.configuration import Account
from selfsmith.errors import SelfsmithError, UnexpectedAnswer, Unreachable, refusal

ROOT = "/api/v1"
USUAL_TIMEOUT = httpx.Timeout(30.0, connect=10.0)  # seconds
ALWAYS_REPEATABLE = frozenset({"GET", "HEAD", "PUT", "DELETE"})
IN_TROUBLE = frozenset({HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT})
NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


@dataclass(frozen=True)
class Retries:
    """How often something is tried, and how long the pauses between are, in seconds.

    A pause is drawn from 0 to the smaller of `cap` and of `base` doubled with each try, so that many clients do not come
    back together; the platform's own `Retry-After` is kept where it is not above `longest`.
    """

    attempts: int = 5
    base: float = 0.25
    cap: float = 8.0
    longest: float = 60.0

    def pause(self, attempt: int) -> float:
        """What to wait after this attempt, counted from one."""
        return random.uniform(0, min(self.cap, self.base * 2 ** (attempt - 1)))  # noqa: S311  spreads load, hides nothing


class Transport:
    """Sends requests for one account. Its token is in no message, no representation and no address."""

    def __init__(
        self,
        account: Account,
        *,
        timeout: httpx.Timeout | float = USUAL_TIMEOUT,
        retries: Retries = Retries(),
        http: httpx.Client | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.url = account.url
        self._token = account.token
        self._retries = retries
        self._sleep = sleep
        self._http = http or httpx.Client(timeout=timeout, headers={"User-Agent": f"selfsmith-sdk/{version('selfsmith-sdk')}"})

    def close(self) -> None:
        self._http.close()

    def get(self, path: str, **query: Any) -> Any:
        return self.json("GET", path, query=query)

    def json(self, method: str, path: str, **how: Any) -> Any:
        """A request as `send` makes it; the JSON of its answer."""
        return document(self.send(method, path, **how))

    def send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        files: Any = None,
        headers: Mapping[str, str] | None = None,
        repeatable: bool | None = None,
        timeout: float | None = None,
    ) -> httpx.Response:
        """The answer, which is a good one.

        Args:
            repeatable: whether doing it twice does what doing it once does. Left out: by the method.
            timeout: seconds for this one, in place of the usual.

        Raises: Refused and its kinds, Unreachable, UnexpectedAnswer
        """
        request = self._http.build_request(
            method,
            f"{self.url}{ROOT}{path}",
            params={name: value for name, value in (query or {}).items() if value is not None},
            json=body,
            files=files,
            headers={"Authorization": f"Bearer {self._token}", **(headers or {})},
            timeout=httpx.USE_CLIENT_DEFAULT if timeout is None else timeout,
        )
        may_repeat = method in ALWAYS_REPEATABLE if repeatable is None else repeatable
        attempt = 1
        while not isinstance(outcome := self._attempt(request, attempt, may_repeat=may_repeat), httpx.Response):
            self._sleep(outcome)
            attempt += 1
        return outcome

    def _attempt(self, request: httpx.Request, attempt: int, *, may_repeat: bool) -> httpx.Response | float:
        """The good answer, or how long to wait before the next attempt."""
        is_last = attempt >= self._retries.attempts
        try:
            response = self._http.send(request)
        except httpx.TransportError as error:
            if is_last or not (may_repeat or isinstance(error, NEVER_SENT)):
                raise unreachable(self.url, error) from error
            return self._retries.pause(attempt)
        if response.is_success:
            return response
        wait = None if is_last else self._pause_after(response, attempt, may_repeat=may_repeat)
        if wait is None:
            raise failure(response)
        return wait

    def _pause_after(self, response: httpx.Response, attempt: int, *, may_repeat: bool) -> float | None:
        """Seconds, or None where trying again is of no use. A request that met a limit was not carried out at all."""
        if response.status_code != HTTPStatus.TOO_MANY_REQUESTS and not (may_repeat and response.status_code in IN_TROUBLE):
            return None
        told = response.headers.get("Retry-After", "")
        if not told.isdecimal():
            return self._retries.pause(attempt)
        return float(told) if float(told) <= self._retries.longest else None

    @contextmanager
    def stream(self, path: str, *, headers: Mapping[str, str] | None = None) -> Iterator[httpx.Response]:
        """A good answer whose body is read piece by piece. Not tried again: whoever reads knows how far it got.

        Raises: Refused and its kinds, Unreachable, UnexpectedAnswer
        """
        given = {"Authorization": f"Bearer {self._token}", **(headers or {})}
        try:
            with self._http.stream("GET", f"{self.url}{ROOT}{path}", headers=given) as response:
                if not response.is_success:
                    response.read()
                    raise failure(response)
                yield response
        except httpx.TransportError as error:
            raise unreachable(self.url, error) from error


def document(response: httpx.Response) -> Any:
    """The JSON of an answer; None where it has no body.

    Raises: UnexpectedAnswer
    """
    if response.status_code == HTTPStatus.NO_CONTENT:
        return None
    try:
        return response.json()
    except ValueError as error:
        raise not_understood(response) from error


def failure(response: httpx.Response) -> SelfsmithError:
    """The error that an answer tells."""
    problem = document(response) if "json" in response.headers.get("Content-Type", "") else None
    if response.is_server_error:
        why = problem.get("title") if isinstance(problem, dict) else None
        return Unreachable(str(why or f"{response.url.host} is in trouble: it answered {response.status_code}. Try again later."))
    if response.is_client_error and problem is not None:
        return refusal(response.status_code, problem)
    return not_understood(response)


def not_understood(response: httpx.Response) -> UnexpectedAnswer:
    return UnexpectedAnswer(
        f"What answered {response.status_code} at {response.url.host} is no Selfsmith that is understood here."
        " Look at the address, and at what stands between."
    )


def unreachable(url: str, error: httpx.TransportError) -> Unreachable:
    """The sentence names the address and the kind of failure; httpx's words may quote a request."""
    return Unreachable(f"{url} cannot be reached ({type(error).__name__}). Look at the address, and whether it runs.")
