"""The store from inside a real box."""

from types import SimpleNamespace

import pytest

from apps.core.tenancy import scope
from apps.functions.definition import Settings
from apps.store.models import Document

pytestmark = pytest.mark.gvisor


@pytest.fixture
def cast(transactional_cast: SimpleNamespace, _boxes_closed: None) -> SimpleNamespace:
    """Runs are executed by other threads and connections."""
    return transactional_cast


def test_code_in_a_box_keeps_finds_and_deletes_documents(cast, run_code) -> None:
    body = (
        "for n in range(5):\n    func.store.put('orders', f'o{n}', {'n': n, 'status': 'open' if n % 2 else 'done'})\n"
        "func.store.delete('orders', 'o3')\n"
        "return [d.key for d in func.store.query('orders', {'status': 'open'}, order='-key')]"
    )
    ended = run_code(body)
    assert (ended.state, ended.result) == ("succeeded", ["o1"]), ended.error
    assert "gvisor" in ended.kernel.lower() or "4.4.0" in ended.kernel
    with scope(cast.acme.pk):
        assert list(Document.objects.order_by("key").values_list("key", "run")) == [(f"o{n}", ended.pk) for n in (0, 1, 2, 4)]


def test_what_a_box_wrote_that_was_stopped_by_its_limits_is_gone(cast, run_code) -> None:
    ended = run_code(
        "func.store.put('orders', 'a', 1)\nreturn len('x' * (1 << 30))", settings=Settings(limits={"memory_bytes": 128 << 20})
    )
    assert ended.state == "failed"
    with scope(cast.acme.pk):
        assert not Document.objects.exists()
