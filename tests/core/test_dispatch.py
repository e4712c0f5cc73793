"""Messages only wake: losing, doubling or misnaming one changes nothing. Events and hints follow transactions."""

import logging

import pytest
from kombu.exceptions import OperationalError

from apps.core import dispatch, events, notify
from apps.core.tenancy import scope


@pytest.fixture
def rows(monkeypatch, db) -> list[int]:
    """A kind of work with three rows due."""
    monkeypatch.setattr(dispatch, "_kinds", {})
    waiting = [1, 2, 3]
    dispatch.register_work("testing", step=lambda: bool(waiting and waiting.pop()), sweep=lambda: 0, pending=lambda: len(waiting))
    return waiting


@pytest.fixture
def sent(monkeypatch) -> list[str]:
    kinds: list[str] = []
    monkeypatch.setattr(dispatch.current_app, "send_task", lambda name, args, expires: kinds.append(args[0]))
    return kinds


def test_one_message_works_off_all_that_is_due_and_a_second_finds_nothing(rows) -> None:
    dispatch.wake_worker("testing")
    assert rows == []
    dispatch.wake_worker("testing")


def test_an_unknown_kind_is_logged_and_does_nothing(rows, caplog) -> None:
    with caplog.at_level(logging.ERROR):
        dispatch.wake_worker("nothing like it")
    assert "wake.unknown_kind" in caplog.text


def test_the_scheduler_wakes_once_for_each_row_that_is_due(rows, sent) -> None:
    assert dispatch.look_around() == {"testing": 3}
    assert sent == ["testing"] * 3


def test_a_wake_up_is_sent_after_the_commit_and_not_after_a_rollback(transactional_cast, sent) -> None:
    with scope(transactional_cast.acme.pk):
        dispatch.wake("testing")
        assert sent == []
    assert sent == ["testing"]
    with pytest.raises(RuntimeError, match="undone"), scope(transactional_cast.acme.pk):
        dispatch.wake("testing")
        raise RuntimeError("undone")
    assert sent == ["testing"]


def test_a_broker_that_is_away_fails_no_request(transactional_cast, monkeypatch, caplog) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OperationalError("nobody there")

    monkeypatch.setattr(dispatch.current_app, "send_task", refuse)
    with scope(transactional_cast.acme.pk):
        dispatch.wake("testing")
    assert "wake.not_sent" in caplog.text


def test_an_event_reaches_its_handlers_once_inside_the_transaction(cast, monkeypatch) -> None:
    heard: list[dict[str, object]] = []

    def hear(**payload: object) -> None:
        heard.append(payload)

    events.on("thing.happened", hear)
    events.on("thing.happened", hear)
    with scope(cast.acme.pk):
        events.emit("thing.happened", number=1)
    assert heard == [{"number": 1}]


def test_an_event_outside_a_transaction_is_refused(transactional_cast) -> None:
    with pytest.raises(RuntimeError, match="outside a transaction"):
        events.emit("thing.happened")


def test_a_group_s_name_holds_the_workspace(cast) -> None:
    names = {notify.group_name(workspace.pk, "runs") for workspace in (cast.acme, cast.globex)}
    assert len(names) == 2
