"""Documents to look at, and functions that use the store, worked off in the test's own thread.

Whoever runs functions takes over the fixtures of tests/runs: what they write must be committed.
"""

from collections.abc import Callable
from typing import Any

import pytest

from apps.core.tenancy import scope
from apps.runs import work
from apps.runs.models import Run
from apps.store.models import Document
from apps.store.services import write_document
from tests.runs.conftest import _all_answered, _boxes_closed, begin, fake_boxes, see, write  # noqa: F401  fixtures are shared by importing


@pytest.fixture
def stored(cast: Any) -> Callable[..., Any]:
    """The value of acme's document as everybody sees it; None where there is none."""

    def value(key: str, collection: str = "notes") -> Any:
        with scope(cast.acme.pk):
            found = Document.objects.filter(collection__name=collection, key=key).first()
            return found.value if found else None

    return value


@pytest.fixture
def put(cast: Any) -> Callable[..., Document]:
    """A document that the developer writes by hand."""

    def written(key: str, value: Any, collection: str = "notes") -> Document:
        with scope(cast.acme.pk):
            return write_document(actor=cast.developer, collection=collection, key=key, value=value)

    return written


@pytest.fixture
def run_code(cast: Any) -> Callable[..., Run]:
    """Write the body of a function, run it, work it off, and give the run as it ended."""
    numbers = iter(range(1000))

    def run(body: str, **settings: Any) -> Run:
        text = "".join(f"    {line}\n" for line in body.splitlines())
        started = begin(cast, write(cast, f"def main{next(numbers)}() -> object:\n{text}", **settings))
        assert work.perform_next_run()
        return see(cast, started)

    return run
