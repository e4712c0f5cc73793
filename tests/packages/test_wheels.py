"""Only the very bytes of the lock get in, from an address that the index may use."""

import threading
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from apps.packages.index import IndexUnreachable, PackageIndex
from apps.packages.locks import Lock
from apps.packages.requirements import parse_requirements
from apps.packages.resolver import Resolver
from apps.packages.wheels import WheelChanged, WheelsTooLarge, WheelStore
from tests.packages.index_server import LoopbackIndex


@pytest.fixture
def lock(index: LoopbackIndex, resolver: Resolver, now: datetime) -> Lock:
    index.add_wheel("tree", modules={"tree.py": "x = 1\n" * 2000})
    return resolver.resolve(parse_requirements(["tree"]), now=now)


def test_a_wheel_is_fetched_once_and_kept_under_its_hash(index: LoopbackIndex, store: WheelStore, lock: Lock) -> None:
    first = store.fetch(lock)["tree"]
    asked = len(index.asked)
    assert store.fetch(lock)["tree"] == first
    assert len(index.asked) == asked
    assert first.name == lock.distributions[0].sha256
    assert first.read_bytes() == index.files["tree-1.0-py3-none-any.whl"].content


def test_one_changed_byte_at_the_index_is_refused_and_nothing_stays(index: LoopbackIndex, store: WheelStore, lock: Lock) -> None:
    served = index.files["tree-1.0-py3-none-any.whl"]
    served.content = served.content[:100] + bytes([served.content[100] ^ 1]) + served.content[101:]
    with pytest.raises(WheelChanged, match="not the file that was approved"):
        store.fetch(lock)
    assert list(store.folder.iterdir()) == []


def test_one_changed_byte_on_this_disk_is_refused(store: WheelStore, lock: Lock) -> None:
    path = store.fetch(lock)["tree"]
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.chmod(0o644)
    path.write_bytes(content)
    with pytest.raises(WheelChanged):
        store.fetch(lock)


def test_a_wheel_over_the_limit_is_refused(store: WheelStore, lock: Lock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.packages.wheels.LARGEST_WHEEL", 100)
    with pytest.raises(WheelsTooLarge):
        store.fetch(lock)
    assert list(store.folder.iterdir()) == []


def test_two_workers_at_once_end_with_one_whole_file(store: WheelStore, lock: Lock) -> None:
    workers = [threading.Thread(target=store.fetch, args=(lock,)) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [path.name for path in store.folder.iterdir()] == [lock.distributions[0].sha256]


def test_a_file_that_is_gone_from_the_index_is_said_so(index: LoopbackIndex, store: WheelStore, lock: Lock) -> None:
    index.files.clear()
    with pytest.raises(IndexUnreachable, match="no longer offers"):
        store.fetch(lock)


@pytest.mark.parametrize("address", ["file:///etc/passwd", "http://192.0.2.1/x.whl", "ftp://127.0.0.1/x", "data:,x"])
def test_other_addresses_are_never_opened(store: WheelStore, lock: Lock, address: str) -> None:
    moved = replace(lock, distributions=(replace(lock.distributions[0], url=address),))
    with pytest.raises(IndexUnreachable, match="not an address it may use"):
        store.fetch(moved)


@pytest.mark.parametrize("address", ["file:///etc/passwd", "http://192.0.2.1/x.whl"])
def test_a_redirect_to_another_address_is_not_followed(index: LoopbackIndex, store: WheelStore, lock: Lock, address: str) -> None:
    index.redirects["/files/tree-1.0-py3-none-any.whl"] = address
    with pytest.raises(IndexUnreachable):
        store.fetch(lock)


def test_an_https_index_never_leads_to_plain_http(tmp_path: Path) -> None:
    secure = PackageIndex("https://pypi.org/simple")
    secure.check_address("https://files.pythonhosted.org/x.whl")
    with pytest.raises(IndexUnreachable):
        secure.check_address("http://pypi.org/x.whl")
