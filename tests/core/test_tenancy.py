"""The scope fails closed, in Python and in PostgreSQL."""

import threading

import pytest
from django.apps import apps
from django.db import IntegrityError, ProgrammingError, connection, transaction

from apps.core.database import declared_rules, installed_rules, tenant_models
from apps.core.ids import uuid7
from apps.core.tenancy import EVERY, OutsideScope, ScopeConflict, TenantModel, every_workspace, kept_alive, scope
from apps.packages.models import PackageSet
from apps.workspaces.models import ApiToken, Membership
from apps.workspaces.services import remove_member

# Tables of the domain that belong to no workspace, each with its reason.
GLOBAL_MODELS = {
    "workspaces.Workspace": "the tenant itself; membership decides who learns of it",
    "packages.EnvironmentCopy": "environments hold public files and are shared; which set names one is the workspace's",
    "accounts.User": "a person may belong to several workspaces",
    "monitoring.Alert": "what an operator is called for concerns the installation; its texts name no workspace",
    "monitoring.ProcessReport": "a process works for every workspace; it tells of itself only",
    "runs.AttackRound": "the operator fires hostile programs at the installation, which has no workspace",
    "runs.AttackShot": "how one of them ended",
}


def test_every_model_is_scoped_or_listed_with_a_reason() -> None:
    ours = {m._meta.label for m in apps.get_models() if m.__module__.startswith("apps.") and not issubclass(m, TenantModel)}
    assert ours == set(GLOBAL_MODELS)


def test_rows_cannot_be_asked_for_outside_a_scope(cast) -> None:
    for model in tenant_models():
        with pytest.raises(OutsideScope):
            model.objects.all()
    with pytest.raises(OutsideScope):
        ApiToken(membership=cast.owner, name="x").save()


def test_a_scope_shows_only_its_own_rows(cast) -> None:
    with scope(cast.acme.pk):
        assert cast.stranger not in Membership.objects.all()
        assert not Membership.objects.filter(pk=cast.stranger.pk).exists()
        assert Membership.objects.filter(pk=cast.stranger.pk).update(role="viewer") == 0


def test_one_workspace_s_work_cannot_enter_another_s_scope_nor_widen_itself(cast) -> None:
    with scope(cast.acme.pk):
        with pytest.raises(ScopeConflict), scope(cast.globex.pk):
            pass
        with pytest.raises(ScopeConflict), every_workspace(reason="trying"):
            pass


def test_row_level_security_confines_raw_sql(cast) -> None:
    with scope(cast.acme.pk), connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM workspaces_membership WHERE workspace_id = %s", [cast.globex.pk])
        assert cursor.fetchone() == (0,)
        cursor.execute("SELECT count(*) FROM workspaces_membership")
        assert cursor.fetchone() == (6,)


def test_without_a_scope_raw_sql_sees_nothing(cast) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM workspaces_membership")
        assert cursor.fetchone() == (0,)


def test_row_level_security_refuses_a_foreign_write(cast) -> None:
    with scope(cast.acme.pk), connection.cursor() as cursor, pytest.raises(ProgrammingError), transaction.atomic():
        cursor.execute(
            "INSERT INTO workspaces_apitoken (id, workspace_id, membership_id, name, prefix, digest) "
            "VALUES (%s, %s, %s, '', '', '')",
            [uuid7(), cast.globex.pk, cast.stranger.pk],
        )


@pytest.mark.django_db(transaction=True)
def test_a_reference_into_another_workspace_cannot_be_stored(transactional_cast) -> None:
    cast = transactional_cast
    with pytest.raises(IntegrityError), scope(cast.acme.pk):
        ApiToken.objects.create(membership_id=cast.stranger.pk, name="stolen", prefix="", digest="0" * 64)


def test_the_catalogue_holds_exactly_what_the_models_declare(db) -> None:
    assert installed_rules() == {(rule.table, rule.name, rule.kind) for rule in declared_rules()}
    with connection.cursor() as cursor:
        cursor.execute("SELECT relname FROM pg_class WHERE relrowsecurity AND relforcerowsecurity")
        forced = {name for (name,) in cursor.fetchall()}
    assert forced == {model._meta.db_table for model in tenant_models()}


def test_the_setting_does_not_outlive_the_scope(cast) -> None:
    with scope(cast.acme.pk):
        pass
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('selfsmith.workspace', true)")
        assert cursor.fetchone() != (str(cast.acme.pk),)
        with every_workspace(reason="testing"):
            cursor.execute("SELECT current_setting('selfsmith.workspace', true)")
            assert cursor.fetchone() == (EVERY,)


def test_a_member_can_leave_though_what_they_did_is_kept_unchanged(cast) -> None:
    with scope(cast.acme.pk):
        asked = PackageSet.objects.create(
            state="failed", requirements=[], requirements_digest="0" * 64, reason="testing", asked_by=cast.developer
        )
        remove_member(actor=cast.owner, membership_id=cast.developer.pk)
        asked.refresh_from_db()
        assert asked.asked_by is None
        for change in ({"reason": "forged"}, {"asked_by": cast.owner}):
            with pytest.raises(IntegrityError, match="never"), transaction.atomic():
                PackageSet.objects.filter(pk=asked.pk).update(**change)


def test_a_transaction_in_which_a_file_is_stored_is_not_ended_for_its_silence(cast, monkeypatch) -> None:
    monkeypatch.setattr("apps.core.tenancy.ALIVE_SECONDS", 0.1)
    with scope(cast.acme.pk), connection.cursor() as cursor:
        cursor.execute("SET LOCAL idle_in_transaction_session_timeout = '500ms'")
        pause = threading.Event()
        for _ in kept_alive(range(8)):
            pause.wait(0.2)
        assert Membership.objects.exists()
