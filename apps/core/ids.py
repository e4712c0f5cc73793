"""Identifiers that sort by the time they were made."""

import secrets
import threading
import time
import uuid
from datetime import datetime

_lock = threading.Lock()
_last = {"milliseconds": 0, "tail": 0}
TAIL_BITS = 74
HEADROOM_BITS = 73  # a fresh tail begins in the lower half, so that counting up from it never overflows


def uuid7() -> uuid.UUID:
    """A version 7 UUID (RFC 9562 §5.7): 48 bits of milliseconds since 1970, then 74 bits that start at random.

    Within a millisecond a process counts up (§6.2, method 2), so its rows sort in the order in which it made them.
    """
    with _lock:
        now = time.time_ns() // 1_000_000
        if now > _last["milliseconds"]:
            _last.update(milliseconds=now, tail=secrets.randbits(HEADROOM_BITS))
        else:
            _last["tail"] += 1 + secrets.randbits(16)  # not the neighbour: ids shall not be guessed from one another
        return _assemble(_last["milliseconds"], _last["tail"])


def _assemble(milliseconds: int, tail: int) -> uuid.UUID:
    high, low = tail >> 62 & 0xFFF, tail & (1 << 62) - 1
    return uuid.UUID(int=milliseconds << 80 | 0x7 << 76 | high << 64 | 0b10 << 62 | low)


def uuid7_floor(moment: datetime) -> uuid.UUID:
    """The smallest id that can be made at this moment: ids from then on are not below it."""
    return _assemble(int(moment.timestamp() * 1000), 0)
