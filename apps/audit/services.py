"""Record, seal, verify."""

import hashlib
from collections.abc import Iterable
from typing import Any, Protocol
from uuid import UUID

from django.db import connection, models

from apps.audit.models import AuditRecord, AuditSeal
from apps.core.canonical import canonical_json
from apps.core.tenancy import every_workspace, scope

GENESIS = "0" * 64
BATCH = 500


class Actor(Protocol):
    """Whoever acts: a membership, in practice. Audit lies below workspaces and does not know it."""

    @property
    def pk(self) -> Any: ...
    @property
    def is_token(self) -> bool: ...
    @property
    def token_name(self) -> str: ...


def record(*, actor: Actor | None, action: str, subject: models.Model | None = None, **details: Any) -> AuditRecord:
    """Write down that `actor` (None: the platform itself) did `action` ("run.started") to `subject`.

    In the transaction of what was done, so that one never stands without the other. Details: plain JSON, no secrets. The
    name of the token by which a member's program did it is added to them.
    """
    if actor and actor.token_name:
        details["token"] = actor.token_name
    return AuditRecord.objects.create(
        actor_id=actor.pk if actor else None,
        actor_name=str(actor) if actor else "platform",
        by_token=bool(actor and actor.is_token),
        action=action,
        subject_kind=subject._meta.model_name or "" if subject else "",
        subject_id=str(subject.pk) if subject else "",
        subject_name=str(subject)[:200] if subject else "",
        details=details,
    )


def seal_records() -> int:
    """Append the unsealed records of every workspace to its chain; returns how many.

    Sealing is a step of its own because a chain written by record() would make all writers of a workspace wait for
    each other until they commit.
    """
    with every_workspace(reason="sealing the audit trail"):
        workspaces = list(AuditRecord.objects.filter(seal=None).order_by().values_list("workspace_id", flat=True).distinct())
    return sum(_seal_workspace(workspace_id) for workspace_id in workspaces)


def _seal_workspace(workspace_id: UUID) -> int:
    with scope(workspace_id):
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_xact_lock(hashtext(%s))", [f"audit {workspace_id}"])
            if cursor.fetchone() == (False,):
                return 0  # another scheduler is at it
        last = AuditSeal.objects.order_by("-number").first()
        number, digest = (last.number, last.digest) if last else (0, GENESIS)
        rows = list(AuditRecord.objects.filter(seal=None).order_by("id")[:BATCH])
        seals = []
        for row in rows:
            number, digest = number + 1, _link(digest, row)
            seals.append(AuditSeal(number=number, record=row, digest=digest))
        AuditSeal.objects.bulk_create(seals)
        return len(seals)


def first_broken_seal(seals: Iterable[AuditSeal] | None = None) -> AuditSeal | None:
    """Recompute the chain of the workspace in scope; the first link that does not fit, or None when all do."""
    digest, expected = GENESIS, 1
    for seal in seals if seals is not None else AuditSeal.objects.select_related("record").order_by("number").iterator():
        digest = _link(digest, seal.record)
        if seal.digest != digest or seal.number != expected:
            return seal
        expected += 1
    return None


def _link(previous: str, row: AuditRecord) -> str:
    return hashlib.sha256(f"{previous}\n{canonical_json(row.content())}".encode()).hexdigest()
