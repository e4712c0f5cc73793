"""How a lower app tells higher ones that something happened.

Handlers run inside the transaction of the emitter and only write rows (and wake workers, which follows on commit).
"""

from collections import defaultdict
from collections.abc import Callable
from typing import Any

from django.db import connection

type Handler = Callable[..., None]
_handlers: dict[str, list[Handler]] = defaultdict(list)


def on(name: str, handler: Handler) -> None:
    """Call `handler(**payload)` whenever `name` is emitted. Register in an app's ready(); twice counts once."""
    if handler not in _handlers[name]:
        _handlers[name].append(handler)


def emit(name: str, **payload: Any) -> None:
    """Tell that `name` (noun and past tense: "run.finished") happened. Payload: ids and plain values.

    Raises:
        RuntimeError: outside a transaction: the news would outlive a rollback.
    """
    if not connection.in_atomic_block:
        raise RuntimeError(f"{name} was emitted outside a transaction.")
    for handler in _handlers[name]:
        handler(**payload)
