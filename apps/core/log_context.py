"""What every log line of a piece of work carries besides its own words: ids of the request, the run, the workspace.

Ids only. Nothing that a person, a tool or a model wrote belongs here.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from structlog.contextvars import bound_contextvars


@contextmanager
def bound(**ids: object) -> Iterator[None]:
    """Lines that this thread writes inside the block carry these ids."""
    with bound_contextvars(**{name: str(value) for name, value in ids.items()}):
        yield
