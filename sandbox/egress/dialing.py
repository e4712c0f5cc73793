"""Finds a host's addresses, checks every one of them, and connects to one that was checked: there is no second look-up."""

import asyncio
import contextlib
import ipaddress
import socket
import threading
from collections.abc import Callable

from sandbox.egress.addresses import is_global, is_own
from sandbox.egress.limits import EgressLimits
from sandbox.egress.targets import Policy, Refused, Target

type Resolve = Callable[[str, int], list[str]]

# A name server that does not answer holds a thread for as long as the C library waits: so many at a time, no more.
_LOOKUPS_AT_ONCE = 4


def look_up(host: str, port: int) -> list[str]:
    """Every address of a name. Raises: OSError."""
    answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(answer[4][0]).partition("%")[0] for answer in answers))


class Dialer:
    """Connects the connections of one box."""

    def __init__(self, policy: Policy, limits: EgressLimits, resolve: Resolve = look_up) -> None:
        self._policy, self._limits, self._resolve = policy, limits, resolve
        self._lookups = threading.Semaphore(_LOOKUPS_AT_ONCE)

    async def dial(self, target: Target) -> socket.socket:
        """A connection to the target. Raises: Refused."""
        addresses = await self._addresses(target)
        self._check(target, addresses)
        try:
            async with asyncio.timeout(self._limits.dial_seconds):
                return await _connect_first(addresses, target.port)
        except (OSError, TimeoutError):
            raise Refused(f"{target.host}:{target.port} does not answer.", 502) from None

    async def _addresses(self, target: Target) -> list[str]:
        # The dot keeps the machine's search domains out: a name that is not found is not looked for elsewhere.
        name = target.host if self._policy.may_be_local(target) else f"{target.host}."
        try:
            async with asyncio.timeout(self._limits.resolve_seconds):
                found = await self._look_up_aside(name, target.port)
        except (OSError, UnicodeError, TimeoutError):
            raise Refused(f"{target.host} cannot be found.", 502) from None
        if not found:
            raise Refused(f"{target.host} has no address.", 502)
        return found

    def _look_up_aside(self, name: str, port: int) -> asyncio.Future[list[str]]:
        """In a thread that nobody waits for: the C library cannot be interrupted, and a run must end in time."""
        if not self._lookups.acquire(blocking=False):
            raise Refused("The name servers do not answer.", 502)
        loop = asyncio.get_running_loop()
        future: asyncio.Future[list[str]] = loop.create_future()

        def settle(found: list[str] | BaseException) -> None:
            if future.done():
                return
            if isinstance(found, BaseException):
                future.set_exception(found)
            else:
                future.set_result(found)

        def work() -> None:
            found: list[str] | BaseException
            try:
                found = self._resolve(name, port)
            except Exception as error:  # noqa: BLE001 (raised again where it is awaited)
                found = error
            finally:
                self._lookups.release()
            with contextlib.suppress(RuntimeError):  # the run has ended, and its loop with it
                loop.call_soon_threadsafe(settle, found)

        threading.Thread(target=work, name="egress-lookup", daemon=True).start()
        return future

    def _check(self, target: Target, addresses: list[str]) -> None:
        """All must be fit, not one of them: a mixed answer is an attack or a mistake."""
        if self._policy.may_be_local(target):
            return
        for text in addresses:
            address = ipaddress.ip_address(text)
            if not is_global(address) or is_own(address):
                raise Refused(f"{target.host} is at {text}, which is no public address of somebody else.")


async def _connect_first(addresses: list[str], port: int) -> socket.socket:
    failure: OSError = OSError("no address")
    for address in addresses:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        connection = socket.socket(family, socket.SOCK_STREAM)
        connection.setblocking(False)  # noqa: FBT003 (the socket's own interface)
        try:
            await asyncio.get_running_loop().sock_connect(connection, (address, port))
        except OSError as error:
            connection.close()
            failure = error
        except BaseException:
            connection.close()
            raise
        else:
            return connection
    raise failure
