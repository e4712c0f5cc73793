"""Identifiers that sort by the time they were made."""

import os
import time
import uuid


def uuid7() -> uuid.UUID:
    """A version 7 UUID (RFC 9562 §5.7): 48 bits of milliseconds since 1970, then 74 random bits."""
    value = int.from_bytes(os.urandom(16)) & ~(0xFFFFFFFFFFFF << 80) | (time.time_ns() // 1_000_000) << 80
    value = value & ~(0xF << 76) | 7 << 76
    value = value & ~(0x3 << 62) | 2 << 62
    return uuid.UUID(int=value)
