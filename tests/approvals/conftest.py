"""A kind that remembers what it was told, and a request of it."""

from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest

from apps.approvals import kinds, policies
from apps.approvals.models import ApprovalRequest
from apps.approvals.services import open_request

SUBJECT = {"requirements": ["markdown"], "lock_digest": "a" * 64, "size": 1.0}


@pytest.fixture
def told() -> Iterator[list[tuple[str, str]]]:
    """Registers the kind "packages" for the test; holds what its callbacks were called with."""
    heard: list[tuple[str, str]] = []
    before = dict(kinds._kinds)
    kinds.register(
        kinds.Kind(
            name="packages",
            title="Packages",
            headline=lambda subject: "Packages: " + ", ".join(subject["requirements"]),
            on_approved=lambda request: heard.append(("approved", str(request.pk))),
            on_closed=lambda request: heard.append((request.state, str(request.pk))),
        )
    )
    yield heard
    kinds._kinds.clear()
    kinds._kinds.update(before)


@pytest.fixture
def ask(told) -> Callable[..., ApprovalRequest]:
    """Opens a request; the caller is in a scope."""

    def open_one(cast: SimpleNamespace, **changes) -> ApprovalRequest:
        asked = {"kind": "packages", "subject": SUBJECT, "asked_by": cast.developer, "prompted_by": None, "authors": []}
        return open_request(**{**asked, "reason": "To turn notes into pages.", **changes})

    return open_one


@pytest.fixture
def with_policy() -> Iterator[Callable[[policies.Policy], None]]:
    yield policies.put_in_force
    policies.put_in_force(policies.BUILT_IN)
