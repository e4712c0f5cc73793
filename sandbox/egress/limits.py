"""What one run may use of the outside."""

from dataclasses import dataclass

MIB = 1 << 20


@dataclass(frozen=True)
class EgressLimits:
    """Counts, bytes and seconds. Bytes are those of all connections of a run together, each way by itself."""

    at_once: int = 16
    attempts: int = 1000
    sent_bytes: int = 20 * MIB
    received_bytes: int = 20 * MIB
    head_bytes: int = 16 * 1024
    head_seconds: float = 10
    resolve_seconds: float = 5
    dial_seconds: float = 10
    idle_seconds: float = 60
