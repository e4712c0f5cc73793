"""This process was told to end: it takes nothing new, and hands back at once what another worker can go on with.

Whoever does long work asks `is_stopping()` between its steps. What must not be done twice is finished instead, for as
long as whoever stops this process waits.
"""

import threading

_told = threading.Event()


def begin() -> None:
    """From now on. Called from a signal's handler, so it does nothing else."""
    _told.set()


def is_stopping() -> bool:
    return _told.is_set()
