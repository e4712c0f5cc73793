"""Who may ask for packages, what is refused at once, and that one wish is one row."""

import threading
from types import SimpleNamespace
from uuid import uuid4

import pytest
from django.db import IntegrityError, connection

from apps.audit.models import AuditRecord
from apps.core.tenancy import scope
from apps.packages.models import PackageSet
from apps.packages.requirements import BadRequirement
from apps.packages.services import NoSuchPackageSet, ReasonMissing, find_environment, get_package_set, require_packages
from apps.packages.states import PackageState
from apps.workspaces.models import Membership
from apps.workspaces.services import PermissionMissing


@pytest.mark.usefixtures("in_acme")
def test_a_wish_is_normalised_and_queued(developer: Membership, owner: Membership) -> None:
    task_id = uuid4()
    asked = require_packages(
        actor=developer, requirements=["Pillow>=11", "markdown"], reason="To draw", prompted_by=owner, task_id=task_id
    )
    assert asked.state == PackageState.QUEUED
    assert asked.requirements == ["markdown", "pillow>=11"]
    assert (asked.asked_by, asked.prompted_by, asked.task_id) == (developer, owner, task_id)
    assert AuditRecord.objects.get(action="packages.queued").actor_id == developer.pk


@pytest.mark.usefixtures("in_acme")
def test_the_same_wish_is_the_same_row_until_it_has_ended(developer: Membership, owner: Membership) -> None:
    first = require_packages(actor=developer, requirements=["markdown"], reason="To convert")
    assert require_packages(actor=owner, requirements=["Markdown"], reason="Me too") == first
    PackageSet.objects.filter(pk=first.pk).update(state=PackageState.REJECTED)
    assert require_packages(actor=developer, requirements=["markdown"], reason="Again") != first


@pytest.mark.usefixtures("in_acme")
@pytest.mark.parametrize("line", ["git+https://example.com/x", "https://example.com/x.whl", "--index-url=x", "json", "./x"])
def test_what_is_no_package_is_refused_at_once_and_nothing_is_stored(developer: Membership, line: str) -> None:
    with pytest.raises(BadRequirement):
        require_packages(actor=developer, requirements=["markdown", line], reason="To convert")
    assert not PackageSet.objects.exists()


@pytest.mark.usefixtures("in_acme")
def test_without_a_reason_nobody_is_asked(developer: Membership) -> None:
    with pytest.raises(ReasonMissing):
        require_packages(actor=developer, requirements=["markdown"], reason=" ")


@pytest.mark.usefixtures("in_acme")
@pytest.mark.parametrize("name", ["viewer", "operator", "approver"])
def test_only_developers_ask(cast: SimpleNamespace, name: str) -> None:
    with pytest.raises(PermissionMissing):
        require_packages(actor=getattr(cast, name), requirements=["markdown"], reason="To convert")


def test_a_stranger_sees_neither_the_row_nor_the_grant(cast: SimpleNamespace) -> None:
    with scope(cast.acme.pk):
        asked = require_packages(actor=cast.developer, requirements=["markdown"], reason="To convert")
        PackageSet.objects.filter(pk=asked.pk).update(state=PackageState.READY)
        assert find_environment(["MARKDOWN"]) == asked
        assert get_package_set(actor=cast.viewer, package_set_id=asked.pk) == asked
    with scope(cast.globex.pk):
        assert find_environment(["markdown"]) is None
        with pytest.raises(NoSuchPackageSet):
            get_package_set(actor=cast.stranger, package_set_id=asked.pk)


@pytest.mark.usefixtures("in_acme")
def test_what_was_asked_and_how_it_ended_never_change(developer: Membership) -> None:
    asked = require_packages(actor=developer, requirements=["markdown"], reason="To convert")
    with pytest.raises(IntegrityError), scope(developer.workspace_id):
        PackageSet.objects.filter(pk=asked.pk).update(requirements=["evil"])
    PackageSet.objects.filter(pk=asked.pk).update(state=PackageState.FAILED)
    with pytest.raises(IntegrityError), scope(developer.workspace_id):
        PackageSet.objects.filter(pk=asked.pk).update(state=PackageState.READY)


@pytest.mark.usefixtures("woken")
def test_two_who_ask_at_once_get_one_row(transactional_cast: SimpleNamespace) -> None:
    found: list[object] = []
    start = threading.Barrier(2)

    def ask(actor: Membership) -> None:
        try:
            start.wait()
            with scope(transactional_cast.acme.pk):
                found.append(require_packages(actor=actor, requirements=["markdown"], reason="To convert").pk)
        finally:
            connection.close()

    askers = [threading.Thread(target=ask, args=(who,)) for who in (transactional_cast.developer, transactional_cast.owner)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    assert len(found) == 2
    assert len(set(found)) == 1
