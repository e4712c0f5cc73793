"""Several people decide at once, in real threads on the real database: one ending, whoever wins."""

import threading
from collections import Counter
from collections.abc import Callable

import pytest
from django.db import connection

from apps.approvals.expiry import expire_requests
from apps.approvals.models import ApprovalRequest, Grant, Vote
from apps.approvals.policies import Rule
from apps.approvals.services import cast_vote, withdraw_request
from apps.core.errors import DomainError
from apps.core.tenancy import scope

ROUNDS = 15


def race(*moves: Callable[[], object]) -> list[str]:
    """Start all at once; what each came to: "done", or the code of its error."""
    start = threading.Barrier(len(moves))
    results: list[str] = []

    def run(move: Callable[[], object]) -> None:
        try:
            start.wait(timeout=10)
            move()
            results.append("done")
        except DomainError as error:
            results.append(error.code)
        except Exception as error:  # noqa: BLE001  the test below must see it
            results.append(repr(error))
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=[move]) for move in moves]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    return results


@pytest.fixture
def play(transactional_cast, ask):
    """The cast, a request of theirs, and their moves as functions for threads."""

    class Play:
        cast = transactional_cast

        def ask(self) -> ApprovalRequest:
            with scope(self.cast.acme.pk):
                return ask(self.cast)

        def vote(self, name: str, request: ApprovalRequest, decision: str = "approve") -> Callable[[], object]:
            def move() -> None:
                with scope(self.cast.acme.pk):
                    cast_vote(
                        actor=getattr(self.cast, name),
                        request_id=request.pk,
                        decision=decision,
                        reason="because",
                        shown_digest=request.digest,
                    )

            return move

        def withdraw(self, request: ApprovalRequest) -> Callable[[], object]:
            def move() -> None:
                with scope(self.cast.acme.pk):
                    withdraw_request(actor=self.cast.developer, request_id=request.pk)

            return move

        def outcome(self, request: ApprovalRequest) -> tuple[str, int, int]:
            with scope(self.cast.acme.pk):
                state = ApprovalRequest.objects.get(pk=request.pk).state
                return state, Grant.objects.filter(request=request).count(), Vote.objects.filter(request=request).count()

    return Play()


def test_two_approvals_and_a_withdrawal_end_a_request_once(play, told) -> None:
    for _ in range(ROUNDS):
        request = play.ask()
        results = race(play.vote("approver", request), play.vote("owner", request), play.withdraw(request))
        assert Counter(results) == {"done": 1, "request_closed": 2}
        assert play.outcome(request) in {("approved", 1, 1), ("withdrawn", 0, 0)}
        assert sum(told_id == str(request.pk) for _, told_id in told) == 1


def test_an_approval_and_a_rejection_leave_one_of_them(play, told) -> None:
    for _ in range(ROUNDS):
        request = play.ask()
        results = race(play.vote("approver", request), play.vote("owner", request, "reject"))
        assert Counter(results) == {"done": 1, "request_closed": 1}
        assert play.outcome(request) in {("approved", 1, 1), ("rejected", 0, 1)}


def test_one_person_in_two_windows_votes_once(play, with_policy) -> None:
    with_policy(type("Two", (), {"matching_rules": lambda *_: [Rule("two", quorum=2)]})())
    for _ in range(ROUNDS):
        request = play.ask()
        results = race(play.vote("approver", request), play.vote("approver", request))
        assert Counter(results) == {"done": 1, "already_voted": 1}
        assert play.outcome(request) == ("open", 0, 1)


def test_the_second_of_two_votes_that_come_together_completes_the_quorum(play, with_policy) -> None:
    with_policy(type("Two", (), {"matching_rules": lambda *_: [Rule("two", quorum=2)]})())
    for _ in range(ROUNDS):
        request = play.ask()
        assert race(play.vote("approver", request), play.vote("owner", request)) == ["done", "done"]
        assert play.outcome(request) == ("approved", 1, 2)


def test_two_sweepers_expire_a_request_once(play, told, with_policy) -> None:
    from datetime import timedelta

    with_policy(type("Short", (), {"matching_rules": lambda *_: [Rule("short", 1, timedelta(microseconds=1))]})())
    requests = [play.ask() for _ in range(ROUNDS)]
    assert race(expire_requests, expire_requests, expire_requests) == ["done"] * 3
    assert sorted(told) == sorted(("expired", str(request.pk)) for request in requests)
