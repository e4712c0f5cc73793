"""The tenant scope: which workspace this thread of work may see. Fails closed.

`scope()` and `every_workspace()` are the only openers of transactions in the project: the database learns the workspace
by a setting that lives as long as the transaction, and row level security compares every row with it. Never hold one
during a model call, a box or an HTTP call.
"""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, ClassVar
from uuid import UUID

from django.db import connection, models, transaction

from apps.core.ids import uuid7
from apps.core.log_context import bound

ALIVE_SECONDS = 10.0
EVERY = "every"  # the value that the row level security policies accept for work across workspaces
_current: ContextVar[UUID | str | None] = ContextVar("workspace", default=None)


class OutsideScope(RuntimeError):
    """Tenant-owned rows were asked for without a scope: a bug, never a user's mistake."""


class ScopeConflict(RuntimeError):
    """One workspace's work tried to enter another's scope."""


def current_workspace_id() -> UUID:
    """The workspace of the running scope.

    Raises:
        OutsideScope: there is none, or it spans every workspace.
    """
    where = _current.get()
    if not isinstance(where, UUID):
        raise OutsideScope("No workspace is in scope here: enter core.tenancy.scope() first.")
    return where


@contextmanager
def scope(workspace_id: UUID) -> Iterator[None]:
    """A transaction in which only rows of this workspace exist.

    Raises:
        ScopeConflict: another workspace's scope is open around this one.
    """
    outer = _current.get()
    if isinstance(outer, UUID) and outer != workspace_id:
        raise ScopeConflict(f"The scope of {outer} is open: {workspace_id} cannot be entered inside it.")
    with _entered(workspace_id):
        yield


@contextmanager
def every_workspace(*, reason: str) -> Iterator[None]:
    """A transaction across workspaces, for sweepers, claims and look-ups that find the workspace. Say why.

    Raises:
        ScopeConflict: a workspace's scope is open around this one: its work must not widen itself.
    """
    if not reason:
        raise ValueError("Say why this work spans every workspace.")
    if isinstance(_current.get(), UUID):
        raise ScopeConflict("Work inside a workspace cannot widen itself to every workspace.")
    with _entered(EVERY):
        yield


@contextmanager
def _entered(where: UUID | str) -> Iterator[None]:
    outer = _current.get()
    token = _current.set(where)
    is_inside_another = connection.in_atomic_block
    try:
        with transaction.atomic(), bound(workspace=where):
            _tell_database(where)
            yield
            if is_inside_another and not connection.needs_rollback:
                _tell_database(outer)  # the setting lasts as long as the outermost transaction
    finally:
        _current.reset(token)
        if not is_inside_another:
            connection.close_if_unusable_or_obsolete()  # back to the pool: nobody keeps one while it waits for something else


def _tell_database(where: UUID | str | None) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('selfsmith.workspace', %s, true)", [str(where or "")])


def kept_alive[Item](items: Iterable[Item]) -> Iterator[Item]:
    """Go through what takes long to come inside a scope: PostgreSQL ends a transaction that says nothing for a minute.

    For the one thing that may take long there, which is storing a file that a request has brought.
    """
    said_at = time.monotonic()
    for item in items:
        if time.monotonic() - said_at > ALIVE_SECONDS:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
            said_at = time.monotonic()
        yield item


class TenantQuerySet[Model: models.Model](models.QuerySet[Model]):
    """Base of the querysets of tenant-owned models."""

    def bulk_create(self, objs: Iterable[Model], *args: Any, **kwargs: Any) -> list[Model]:
        rows = list(objs)
        for row in rows:
            row.claim_workspace()  # type: ignore[attr-defined]  # only TenantModels have this queryset
        return super().bulk_create(rows, *args, **kwargs)


class TenantManager[Model: models.Model](models.Manager[Model]):
    """Sees the rows of the scope's workspace and raises OutsideScope without one.

    A queryset belongs to the scope in which it was made, not to the one in which it is evaluated.
    """

    def get_queryset(self) -> models.QuerySet[Model]:
        where = _current.get()
        if where is None:
            raise OutsideScope(f"{self.model.__name__} belongs to a workspace and none is in scope here.")
        rows = super().get_queryset()
        return rows if where == EVERY else rows.filter(workspace_id=where)


class TenantModel(models.Model):
    """A row that belongs to exactly one workspace.

    A subclass may hold an inner `class Tenancy` with what the database itself shall refuse (see core.database):
    `append_only = True` (no change), `permanent = True` (no change, no removal), `immutable = ("field", …)`,
    `terminal = ("state", ("done", …))` (rows in these states never change).
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace = models.ForeignKey("workspaces.Workspace", on_delete=models.CASCADE, editable=False, related_name="+")

    objects: ClassVar = TenantManager.from_queryset(TenantQuerySet)()

    class Meta:
        abstract = True

    class Tenancy:
        append_only: ClassVar[bool] = False
        permanent: ClassVar[bool] = False
        immutable: ClassVar[tuple[str, ...]] = ()
        terminal: ClassVar[tuple[str, tuple[str, ...]] | None] = None

    def claim_workspace(self) -> None:
        """Fill in the scope's workspace, or refuse another one.

        Raises:
            OutsideScope, ScopeConflict
        """
        where = _current.get()
        if where == EVERY and self.workspace_id is not None:
            return
        if self.workspace_id is None:
            self.workspace_id = current_workspace_id()
        elif self.workspace_id != current_workspace_id():
            raise ScopeConflict(f"{type(self).__name__} of workspace {self.workspace_id} cannot be saved in {where}.")

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.claim_workspace()
        super().save(*args, **kwargs)
