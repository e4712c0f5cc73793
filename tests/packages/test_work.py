"""The way of a wish through workers and people: resolved, asked, approved, built; or ended, with its reason."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from apps.approvals.models import ApprovalRequest
from apps.approvals.services import withdraw_request
from apps.core.canonical import digest_of
from apps.core.retries import MAX_LOSSES
from apps.core.tenancy import every_workspace, scope
from apps.packages import configured, environments, work
from apps.packages.states import PackageState
from apps.workspaces.models import Membership
from apps.workspaces.roles import Role
from sandbox import SandboxUnavailable
from tests.packages.conftest import House


def test_an_approved_wish_becomes_an_environment(house: House) -> None:
    house.index.add_wheel("leaf")
    house.index.add_wheel("tree", requires=["leaf"])
    asked = house.ask("tree")
    assert work.resolve_next()
    waiting = house.see(asked)
    assert waiting.state == PackageState.AWAITING_APPROVAL
    assert waiting.pins == ["leaf==1.0", "tree==1.0"]
    assert waiting.attempt == 0
    assert not work.build_next()
    house.decide(asked, "approve")
    assert house.see(asked).state == PackageState.APPROVED
    assert work.build_next()
    ready = house.see(asked)
    assert ready.state == PackageState.READY
    assert (house.home / "environments" / ready.environment_digest / "leaf.py").exists()
    assert environments.find_problem(house.home / "environments", ready.environment_digest) == ""
    assert [(name, payload["package_set_id"]) for name, payload in house.news] == [("packages.ready", asked)]
    assert house.woken == ["packages.resolve", "packages.build"]


def test_people_are_shown_the_whole_tree_under_one_digest(house: House) -> None:
    leaf = house.index.add_wheel("leaf")
    house.index.add_wheel("tree", requires=["leaf"])
    asked = house.ask("tree")
    work.resolve_next()
    waiting = house.see(asked)
    request = waiting.request
    assert request is not None
    assert request.title == "Packages: tree"
    assert request.subject["lock_digest"] == waiting.lock_digest
    assert request.subject["evidence_digest"] == waiting.evidence_digest == digest_of(waiting.evidence)
    assert request.subject["distributions"][0] == {
        "name": "leaf",
        "version": "1.0",
        "filename": leaf.filename,
        "sha256": leaf.listed_sha256,
        "needed_by": ["tree"],
    }
    assert request.subject["changes"] == {"known": [], "changed": [], "new": ["leaf", "tree"]}


def test_a_later_request_says_what_is_known_changed_and_new(house: House) -> None:
    house.index.add_wheel("leaf", "1.0")
    house.index.add_wheel("tree", "1.0")
    house.approved("tree", "leaf")
    house.index.add_wheel("tree", "2.0")
    house.index.add_wheel("bush")
    asked = house.ask("tree>=2", "leaf", "bush")
    assert work.resolve_next()
    request = house.see(asked).request
    assert request is not None
    assert request.subject["changes"] == {
        "known": ["leaf"],
        "changed": [{"name": "tree", "from": ["1.0"], "to": "2.0"}],
        "new": ["bush"],
    }


def test_a_rejection_ends_it_with_the_reason(house: House) -> None:
    house.index.add_wheel("tree")
    asked = house.ask("tree")
    work.resolve_next()
    house.decide(asked, "reject")
    ended = house.see(asked)
    assert (ended.state, ended.failure) == (PackageState.REJECTED, "Because")
    assert not work.build_next()
    assert house.news == [("packages.refused", {"package_set_id": asked, "task_id": None, "reason": "Because"})]


def test_a_withdrawn_request_ends_it(house: House) -> None:
    house.index.add_wheel("tree")
    asked = house.ask("tree")
    work.resolve_next()
    request = house.see(asked).request
    assert request is not None
    with scope(house.cast.acme.pk):
        withdraw_request(actor=house.cast.developer, request_id=request.pk)
    assert house.see(asked).state == PackageState.WITHDRAWN
    assert house.news[0][0] == "packages.refused"


@pytest.mark.parametrize(
    ("line", "code"),
    [("nowhere", "no_such_package"), ("sourced", "only_source_distribution"), ("tree>9", "no_version_matches")],
)
def test_what_cannot_be_resolved_fails_with_a_sentence_and_asks_nobody(house: House, line: str, code: str) -> None:
    house.index.add_source("sourced")
    house.index.add_wheel("tree")
    asked = house.ask(line)
    work.resolve_next()
    ended = house.see(asked)
    assert (ended.state, ended.failure_code) == (PackageState.FAILED, code)
    with every_workspace(reason="counting"):
        assert not ApprovalRequest.objects.exists()
    assert house.news == [("packages.failed", {"package_set_id": asked, "task_id": None, "reason": ended.failure})]


def test_one_changed_byte_in_a_wheel_refuses_the_build(house: House) -> None:
    house.index.add_wheel("tree")
    asked = house.approved("tree")
    (wheel,) = (house.home / "wheels").iterdir()
    wheel.chmod(0o644)
    wheel.write_bytes(wheel.read_bytes()[:-1] + b"\1")
    assert work.build_next()
    ended = house.see(asked)
    assert (ended.state, ended.failure_code) == (PackageState.FAILED, "wheel_changed")
    assert list((house.home / "environments").iterdir()) == []


def test_a_lock_that_is_not_the_approved_one_refuses_the_build(house: House) -> None:
    house.index.add_wheel("tree")
    other = house.index.add_wheel("other")
    asked = house.approved("tree")
    lock = house.see(asked).lock
    assert lock is not None
    lock["distributions"][0] |= {"name": "other", "filename": other.filename, "sha256": other.listed_sha256}
    house.change(asked, lock=lock)
    work.build_next()
    assert house.see(asked).failure_code == "lock_damaged"


def test_a_lock_exchanged_together_with_its_digest_refuses_the_build(house: House) -> None:
    house.index.add_wheel("tree")
    house.index.add_wheel("other")
    asked, other = house.approved("tree"), house.ask("other")
    work.resolve_next()
    exchanged = house.see(other)
    house.change(asked, lock=exchanged.lock, lock_digest=exchanged.lock_digest)
    work.build_next()
    assert house.see(asked).failure_code == "not_approved"


def test_an_index_that_is_away_is_waited_for_and_in_the_end_given_up(house: House, settings: Any) -> None:
    settings.PACKAGES_INDEX = "http://127.0.0.1:9/simple"
    asked = house.ask("tree")
    assert work.resolve_next()
    waiting = house.see(asked)
    assert (waiting.state, waiting.failure_code) == (PackageState.QUEUED, "index_unreachable")
    assert waiting.not_before is not None
    assert not work.resolve_next()
    house.change(asked, not_before=None, attempt=work.MAX_TRIES - 1)
    assert work.resolve_next()
    assert house.see(asked).state == PackageState.FAILED


def test_without_a_sandbox_the_build_waits_however_long_it_takes(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise SandboxUnavailable("gVisor is missing.")

    monkeypatch.setattr(configured, "driver", missing)
    house.index.add_wheel("tree")
    asked = house.approved("tree")
    house.change(asked, attempt=50)
    assert work.build_next()
    waiting = house.see(asked)
    assert (waiting.state, waiting.failure) == (PackageState.APPROVED, "gVisor is missing.")


@pytest.mark.parametrize(("doing", "back"), [("resolving", "queued"), ("building", "approved")])
def test_what_a_dead_worker_left_is_taken_up_again_and_not_for_ever(house: House, doing: str, back: str) -> None:
    sweep = {"resolving": work.sweep_lost_resolutions, "building": work.sweep_lost_builds}[doing]
    asked = house.ask("tree")
    for _ in range(MAX_LOSSES - 1):
        house.change(asked, state=doing, lease_until=timezone.now() - timedelta(minutes=1))
        assert sweep() == 1
        assert house.see(asked).state == back
    house.change(asked, state=doing, lease_until=timezone.now() - timedelta(minutes=1))
    sweep()
    assert (house.see(asked).state, house.see(asked).failure_code) == (PackageState.FAILED, "lost")


def test_a_worker_that_was_taken_for_dead_writes_nothing(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.index.add_wheel("tree")
    asked = house.ask("tree")
    resolver = configured.resolver

    def slow() -> Any:
        house.change(asked, token=99, state=PackageState.QUEUED, lease_until=None)
        return resolver()

    monkeypatch.setattr(configured, "resolver", slow)
    assert work.resolve_next()
    found = house.see(asked)
    assert (found.state, found.lock, found.request) == (PackageState.QUEUED, None, None)


def test_another_workspace_needs_its_own_approval_but_shares_the_files(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.index.add_wheel("tree")
    first = house.approved("tree")
    assert work.build_next()
    monkeypatch.setattr(configured, "driver", None)  # nothing is built a second time
    second = house.ask("tree", actor=house.cast.stranger)
    assert work.resolve_next()
    assert house.see(second).state == PackageState.AWAITING_APPROVAL
    with scope(house.cast.globex.pk):
        neighbour = Membership.objects.create(user=house.cast.approver.user, role=Role.APPROVER)
    house.decide(second, "approve", actor=neighbour)
    assert work.build_next()
    assert house.see(second).state == PackageState.READY
    assert house.see(second).environment_digest == house.see(first).environment_digest


def test_a_set_that_only_claims_to_be_approved_is_not_built(house: House) -> None:
    house.index.add_wheel("tree")
    asked = house.ask("tree")
    work.resolve_next()
    house.change(asked, state=PackageState.APPROVED)
    assert work.build_next()
    assert house.see(asked).failure_code == "not_approved"
