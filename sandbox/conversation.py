"""Drives one job over one wire until its end, whoever brings it about. The host's limits are enforced here."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from sandbox.runner import frames
from sandbox.runner.frames import FrameReader, ProtocolError
from sandbox.wire import Wire

# How long a cancellation may wait to be noticed.
_GLANCE_SECONDS = 0.1


class Flooded(Exception):
    """The box said more than it may."""


class AskedTooOften(Exception):
    """The tool asked its host for more than it may."""


class Spoiled(Exception):
    """The tool wrote something into its own pipes that makes no sense."""


@dataclass(frozen=True)
class Ending:
    """Why the conversation ended; at most one of the flags is set. None set and not `exited`: the box hung up."""

    seconds: float
    delivered: bool
    exited: bool = False
    cancelled: bool = False
    out_of_time: bool = False
    flooded: bool = False
    asked_too_often: bool = False
    broken: str | None = None
    spoiled: str | None = None


def converse(
    wire: Wire,
    outgoing: Iterator[bytes],
    *,
    hear: Callable[[int, bytes], None],
    cancelled: Callable[[], bool],
    wall_seconds: float,
) -> Ending:
    """Send everything, hear every frame, until EXIT, hang-up, cancellation, time or a limit. Never raises for the box."""
    began = time.monotonic()
    reader = FrameReader(frames.BOX_FRAMES)
    wire.send(outgoing)

    def end(**why: bool | str) -> Ending:
        return Ending(seconds=time.monotonic() - began, delivered=wire.sent_all, **why)  # type: ignore[arg-type]

    while (left := began + wall_seconds - time.monotonic()) > 0:
        try:
            if _hear_all(reader, wire.turn(min(left, _GLANCE_SECONDS)), hear):
                return end(exited=True)
        except Flooded:
            return end(flooded=True)
        except AskedTooOften:
            return end(asked_too_often=True)
        except Spoiled as error:
            return end(spoiled=f"The tool wrote rubbish where the platform listens: {error}.")
        except ProtocolError as error:
            return end(broken=f"The box broke the protocol: {error}.")
        if wire.closed:
            return end()
        if cancelled():
            return end(cancelled=True)
    return end(out_of_time=True)


def _hear_all(reader: FrameReader, data: bytes, hear: Callable[[int, bytes], None]) -> bool:
    """Whether the box's last word was among it. What follows that is not read."""
    for kind, payload in reader.feed(data):
        hear(kind, payload)
        if kind == frames.EXIT:
            return True
    return False
