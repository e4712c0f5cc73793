"""A loopback index and what is needed to resolve and fetch from it."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from apps.approvals.services import cast_vote
from apps.core import events
from apps.core.tenancy import every_workspace, scope
from apps.packages import configured, copies, work
from apps.packages.index import PackageIndex
from apps.packages.models import PackageSet
from apps.packages.resolver import Resolver
from apps.packages.services import require_packages
from apps.packages.wheels import WheelStore
from apps.workspaces.models import Membership
from sandbox import FakeDriver
from tests.packages.index_server import LoopbackIndex, serve_index

NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)


@pytest.fixture
def index() -> Iterator[LoopbackIndex]:
    with serve_index() as running:
        yield running


@pytest.fixture
def resolver(index: LoopbackIndex, tmp_path: Path) -> Resolver:
    return Resolver(PackageIndex(index.url, timeout=5), tmp_path / "uv")


@pytest.fixture
def store(index: LoopbackIndex, tmp_path: Path) -> WheelStore:
    return WheelStore(tmp_path / "wheels", PackageIndex(index.url, timeout=5))


@pytest.fixture
def now() -> datetime:
    return NOW


@pytest.fixture
def short_path() -> Iterator[Path]:
    """The address of a unix socket has at most 107 bytes; pytest's own folders are longer."""
    with tempfile.TemporaryDirectory(prefix="boxes-") as folder:
        yield Path(folder)


@pytest.fixture
def woken(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The kinds of work for which a message would have been sent; no broker is asked."""
    kinds: list[str] = []
    monkeypatch.setattr("apps.core.dispatch._send", kinds.append)
    return kinds


@dataclass
class House:
    """acme and globex with a package index, a place on disk, and the news that was told."""

    cast: SimpleNamespace
    index: LoopbackIndex
    home: Path
    woken: list[str]
    news: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def ask(self, *lines: str, actor: Membership | None = None) -> UUID:
        member = actor or self.cast.developer
        with scope(member.workspace_id):
            return require_packages(actor=member, requirements=lines, reason="The task needs them").pk

    def see(self, package_set_id: UUID) -> PackageSet:
        with every_workspace(reason="looking at the outcome"):
            return PackageSet.objects.select_related("request", "workspace").get(pk=package_set_id)

    def change(self, package_set_id: UUID, **fields: Any) -> None:
        with every_workspace(reason="as if something had happened"):
            PackageSet.objects.filter(pk=package_set_id).update(**fields)

    def decide(self, package_set_id: UUID, decision: str, *, actor: Membership | None = None) -> None:
        voter, request = actor or self.cast.approver, self.see(package_set_id).request
        assert request is not None
        with scope(voter.workspace_id):
            cast_vote(actor=voter, request_id=request.pk, decision=decision, reason="Because", shown_digest=request.digest)

    def built(self, *lines: str) -> PackageSet:
        asked = self.approved(*lines)
        assert work.build_next()
        return self.see(asked)

    def place(self, package_set: PackageSet) -> Path:
        return self.home / "environments" / package_set.environment_digest

    def approved(self, *lines: str) -> UUID:
        asked = self.ask(*lines)
        assert work.resolve_next()
        self.decide(asked, "approve")
        return asked


@pytest.fixture
def house(
    transactional_cast: SimpleNamespace,
    index: LoopbackIndex,
    settings: Any,
    tmp_path: Path,
    short_path: Path,
    woken: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[House]:
    settings.PACKAGES_INDEX, settings.HOME = index.url, tmp_path
    (tmp_path / "environments").mkdir()
    monkeypatch.setattr(copies, "_noted", {})
    driver = FakeDriver(home=short_path, environments=tmp_path / "environments", runs_only_trusted_test_code=True)
    monkeypatch.setattr(configured, "driver", lambda: driver)
    made = House(transactional_cast, index, tmp_path, woken)
    told = ("packages.ready", "packages.failed", "packages.refused")
    before = {name: list(events._handlers[name]) for name in told}
    for name in told:
        events._handlers[name] = [lambda _name=name, **payload: made.news.append((_name, payload))]
    yield made
    events._handlers.update(before)
