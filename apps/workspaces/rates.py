"""How often a member, or a token of theirs, may ask, and a workspace together. Counted in Redis for all web processes.

While Redis is away nothing is refused: the figures keep one program from taking all of a server, and what really costs
something, runs and queues, has bounds in the database. It is written to the log.
"""

import logging
import math
import time
from dataclasses import dataclass
from functools import cache

from django.conf import settings
from limits import RateLimitItem, parse
from limits.errors import StorageError
from limits.storage import RedisStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from apps.core.errors import LimitReached
from apps.workspaces.models import Membership

log = logging.getLogger(__name__)
SECONDS = 1.0  # that an answer of Redis may take: a page must not hang when it does


@dataclass(frozen=True)
class Allowance:
    """What is left of a limit: `remaining` requests for `seconds` more. Without a limit there is nothing to tell."""

    name: str
    limit: RateLimitItem | None = None
    remaining: int = 0
    seconds: int = 0

    def headers(self) -> dict[str, str]:
        """As the IETF's draft on RateLimit header fields writes them."""
        if self.limit is None:
            return {}
        return {
            "RateLimit-Policy": f'"{self.name}";q={self.limit.amount};w={self.limit.get_expiry()}',
            "RateLimit": f'"{self.name}";r={self.remaining};t={self.seconds}',
        }


class TooManyRequests(LimitReached):
    """`details["retry_after"]`: seconds until the next request has a chance."""

    code = "too_many_requests"

    def __init__(self, message: str, allowance: Allowance) -> None:
        super().__init__(message, retry_after=allowance.seconds)
        self.allowance = allowance


def spend(member: Membership) -> Allowance:
    """Count one request, and tell what is left of the narrower of both limits.

    Raises: TooManyRequests
    """
    who = member.token.pk if member.token else member.pk
    try:
        own = _count("member", settings.RATE_PER_MEMBER, str(who))
        shared = _count("workspace", settings.RATE_PER_WORKSPACE, str(member.workspace_id))
    except StorageError as error:
        log.warning("rates.not_counted error=%s", error)
        return Allowance("member")
    return min((each for each in (own, shared) if each.limit), key=lambda each: each.remaining, default=own)


def _count(name: str, text: str, key: str) -> Allowance:
    if not text:
        return Allowance(name)
    limit = parse(text)
    is_within = _limiter().hit(limit, name, key)
    window = _limiter().get_window_stats(limit, name, key)
    left = Allowance(name, limit, max(0, window.remaining), max(1, math.ceil(window.reset_time - time.time())))
    if not is_within:
        whose = "This token or member asks" if name == "member" else "This workspace's programs ask"
        raise TooManyRequests(f"{whose} more often than {limit}. Wait {left.seconds} s, then go on more slowly.", left)
    return left


@cache
def _limiter() -> SlidingWindowCounterRateLimiter:
    address = settings.REDIS_URL.replace("unix://", "redis+unix://", 1)
    storage = RedisStorage(
        address,
        wrap_exceptions=True,
        key_prefix=f"selfsmith-{settings.INSTALLATION}.rates",
        socket_timeout=SECONDS,
        socket_connect_timeout=SECONDS,
    )
    return SlidingWindowCounterRateLimiter(storage)
