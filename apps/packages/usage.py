"""Who is at an environment on this host: runs that use it, one that builds it, one that removes it.

Kept by the kernel (flock on files of our own beside the environments), so nothing stays held when a process dies.
"""

import fcntl
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

LOOK_AGAIN_SECONDS = 0.1


@contextmanager
def in_use(environments: Path, digest: str) -> Iterator[None]:
    """While inside, the environment is not collected. Any number may be; a removal under way is waited for."""
    with _opened(environments, f"{digest}.use") as descriptor:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield


@contextmanager
def unused(environments: Path, digest: str) -> Iterator[bool]:
    """Keep users out for a moment; False when somebody uses it now."""
    with _opened(environments, f"{digest}.use") as descriptor:
        yield _take(descriptor)


@contextmanager
def building(environments: Path, digest: str, *, give_up: Callable[[], bool]) -> Iterator[bool]:
    """Be the only builder of it on this host; False when `give_up` says so while another one builds."""
    with _opened(environments, f"{digest}.build") as descriptor:
        pause = threading.Event()
        while not (is_taken := _take(descriptor)) and not give_up():
            pause.wait(LOOK_AGAIN_SECONDS)
        yield is_taken


def _take(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def _opened(environments: Path, name: str) -> Iterator[int]:
    """The files stay, empty: to remove one while somebody opens it would make two locks of one."""
    folder = environments.parent / "environment-locks"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(folder / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
