"""A line to the Docker engine that ends when the engine does: its stream of events, of which none is wanted."""

import contextlib

import docker

from sandbox.docker_vessel import engine_faults

_ANSWER_SECONDS = 10  # an engine that runs answers within some 30 ms; one that is held up by a frozen box never does
_NO_EVENTS = {"label": "selfsmith.nothing"}


class DockerTie:
    """`engine` is its address, the environment's when left out.

    Raises: SandboxUnavailable when it does not answer.
    """

    def __init__(self, engine: str | None) -> None:
        with engine_faults(), contextlib.ExitStack() as undo:
            self._client = connect(engine, seconds=_ANSWER_SECONDS)
            undo.callback(self._client.close)
            self._client.ping()
            self._events = self._client.events(filters=_NO_EVENTS)
            undo.pop_all()

    def wait(self) -> None:
        for _ in self._events:
            pass

    def close(self) -> None:
        with contextlib.suppress(OSError, AttributeError):  # the stream has ended by itself, perhaps at this very moment
            self._events.close()
        self._client.close()


def connect(engine: str | None, *, seconds: int) -> docker.DockerClient:
    """A client whose questions wait so long for an answer."""
    return docker.DockerClient(base_url=engine, timeout=seconds) if engine else docker.from_env(timeout=seconds)
