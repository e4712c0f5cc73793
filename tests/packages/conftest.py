"""A loopback index and what is needed to resolve and fetch from it."""

import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from apps.packages.index import PackageIndex
from apps.packages.resolver import Resolver
from apps.packages.wheels import WheelStore
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
