"""A worker that is told to end takes nothing new."""

import threading

import pytest

from apps.core import dispatch, stopping


@pytest.fixture
def told_to_end(monkeypatch) -> None:
    monkeypatch.setattr(stopping, "_told", threading.Event())
    stopping.begin()


def test_no_row_is_begun_after_the_word_to_end(monkeypatch, told_to_end) -> None:
    monkeypatch.setattr(dispatch, "_kinds", {})
    begun: list[int] = []
    dispatch.register_work("testing", step=lambda: bool(begun.append(1)) or True, sweep=lambda: 0, pending=lambda: 0)
    assert dispatch.drain("testing") == 0
    assert begun == []
