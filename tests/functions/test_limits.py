"""Limits of versions against the table and the workspace's maxima, and who may set those."""

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest
from django.db import IntegrityError, connection, transaction

from apps.audit.models import AuditRecord
from apps.core.tenancy import scope
from apps.functions.definition import Settings
from apps.functions.limits import (
    LIMITS,
    InvalidLimit,
    LimitAboveMaximum,
    effective_limits,
    limits_for_run,
    set_maxima,
    workspace_maxima,
)
from apps.functions.models import FunctionVersion, LimitMaximum
from apps.workspaces.services import PermissionMissing

MIB, GIB = 1 << 20, 1 << 30
CLEAN = "def clean(text: str) -> str:\n    return text.strip()\n"
USUAL = {name: row.maximum for name, row in LIMITS.items()}


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({"wall_seconds": 24 * 3600 + 1}, r"“Time” \(wall_seconds\) must be from 1 s to 24 h"),
        ({"wall_seconds": True}, "must be a whole number"),
        ({"wall_seconds": 1.5}, "must be a whole number"),
        ({"wall_seconds": "30"}, "must be a whole number"),
        ({"wall_seconds": None}, "must be a whole number"),
        ({"wall_seconds": Decimal(5)}, "must be a whole number"),
        ({"wall_seconds": 10**400}, "must be from"),
        ({"cores": float("nan")}, "must be a number"),
        ({"cores": float("inf")}, "must be from 0.1 cores to 8 cores"),
        ({"cores": 0}, "must be from"),
        ({"memory_bytes": 0}, "must be from 64 MiB"),
        ({"memory_bytes": -1}, "must be from 64 MiB"),
        ({"speed": 1}, "no limit named “speed”. Known are wall_seconds"),
        ({"x" * 1000: 1}, "no limit named"),
    ],
)
def test_what_no_workspace_could_allow_is_refused_with_the_limits_name(make, limits, words) -> None:
    with pytest.raises(InvalidLimit, match=words):
        make(CLEAN, settings=Settings(limits=limits))
    assert not FunctionVersion.objects.exists()


def test_what_this_workspace_does_not_allow_says_how_much_it_does_and_who_may_change_it(make) -> None:
    with pytest.raises(LimitAboveMaximum, match=r"“Memory” \(memory_bytes\) may be at most 1 GiB .* admin or owner .* 8 GiB"):
        make(CLEAN, settings=Settings(limits={"memory_bytes": 2 * GIB}))


def test_at_the_end_of_the_table_nobody_is_sent_to_an_admin(make, admin) -> None:
    set_maxima(actor=admin, amounts={"open_files": 100})
    with pytest.raises(LimitAboveMaximum, match="An admin"):
        make(CLEAN, settings=Settings(limits={"open_files": 101}))
    set_maxima(actor=admin, amounts={"open_files": None})
    with pytest.raises(InvalidLimit, match="to 4096"):
        make(CLEAN, settings=Settings(limits={"open_files": 4097}))


def test_an_admin_raises_and_lowers_what_everybody_here_may_ask_for(make, admin) -> None:
    assert set_maxima(actor=admin, amounts={"memory_bytes": 2 * GIB, "wall_seconds": 60, "cores": 0.5}) == [
        "memory_bytes", "wall_seconds", "cores",
    ]  # fmt: skip
    assert workspace_maxima() == {**USUAL, "memory_bytes": 2 * GIB, "wall_seconds": 60, "cores": 0.5}
    version = make(CLEAN, settings=Settings(limits={"memory_bytes": 2 * GIB})).active_version
    assert limits_for_run(version)["memory_bytes"] == 2 * GIB


def test_maxima_are_on_record_with_what_they_were(in_acme, admin) -> None:
    set_maxima(actor=admin, amounts={"processes": 100, "open_files": 4096})
    entry = AuditRecord.objects.get(action="limits.maxima_set")
    assert (entry.actor_name, entry.details) == ("admin", {"limits": {"processes": {"before": 256, "after": 100}}})
    assert set_maxima(actor=admin, amounts={"processes": 100}) == []
    assert AuditRecord.objects.filter(action="limits.maxima_set").count() == 1


def test_going_back_to_the_tables_maximum_leaves_no_row(in_acme, admin) -> None:
    set_maxima(actor=admin, amounts={"processes": 100})
    assert set_maxima(actor=admin, amounts={"processes": None}) == ["processes"]
    assert not LimitMaximum.objects.exists()


@pytest.mark.parametrize("amounts", [{"processes": 257}, {"processes": 0}, {"speed": 1}, {"speed": None}, {"processes": "9"}])
def test_a_maximum_that_cannot_be_changes_nothing(in_acme, admin, amounts) -> None:
    with pytest.raises(InvalidLimit):
        set_maxima(actor=admin, amounts={"wall_seconds": 60, **amounts})
    assert workspace_maxima() == USUAL


@pytest.mark.parametrize("name", ["developer", "approver", "operator", "viewer"])
def test_only_admins_and_owners_set_maxima(in_acme, cast, name) -> None:
    with pytest.raises(PermissionMissing):
        set_maxima(actor=getattr(cast, name), amounts={"processes": 100})
    set_maxima(actor=cast.owner, amounts={"processes": 100})


def test_maxima_are_each_workspaces_own(cast) -> None:
    with scope(cast.acme.pk):
        set_maxima(actor=cast.admin, amounts={"processes": 100})
    with scope(cast.globex.pk):
        assert workspace_maxima() == USUAL


def test_a_version_above_a_maximum_that_was_lowered_gets_no_run_and_is_not_cut_to_size(make, admin) -> None:
    version = make(CLEAN, settings=Settings(limits={"wall_seconds": 120})).active_version
    set_maxima(actor=admin, amounts={"wall_seconds": 60})
    with pytest.raises(LimitAboveMaximum, match="Version 1 of “clean” asks for 2 min of “Time”, and the most here is 1 min now"):
        limits_for_run(version)


def test_a_default_is_never_above_the_maximum(make, admin) -> None:
    version = make(CLEAN, settings=Settings(limits={"processes": 9})).active_version
    set_maxima(actor=admin, amounts={"wall_seconds": 10})
    given = limits_for_run(version)
    assert (given["wall_seconds"], given["processes"], given["memory_bytes"]) == (10, 9, 256 * MIB)
    assert set(given) == set(LIMITS)


def test_every_limit_of_a_run_stands_on_it() -> None:
    assert effective_limits({}, USUAL) == {name: row.default for name, row in LIMITS.items()}


def test_a_limit_is_set_once_in_a_workspace_and_keeps_its_name(in_acme, admin) -> None:
    set_maxima(actor=admin, amounts={"processes": 100})
    with pytest.raises(IntegrityError), transaction.atomic():
        LimitMaximum.objects.create(name="processes", amount=3)
    with pytest.raises(IntegrityError), transaction.atomic():
        LimitMaximum.objects.update(name="cores")


def test_admins_who_set_one_limit_at_once_both_come_through(transactional_cast) -> None:
    cast = transactional_cast

    def set_to(amount: int) -> None:
        try:
            with scope(cast.acme.pk):
                set_maxima(actor=cast.admin, amounts={"processes": amount})
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(set_to, (100, 101, 102, 103)))
    with scope(cast.acme.pk):
        assert LimitMaximum.objects.get().amount in (100, 101, 102, 103)
        assert AuditRecord.objects.filter(action="limits.maxima_set").count() == 4
