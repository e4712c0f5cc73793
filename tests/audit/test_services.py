"""The audit trail can be verified, and the database refuses to rewrite it."""

import pytest
from django.db import DatabaseError, connection

from apps.audit.models import AuditSeal
from apps.audit.services import first_broken_seal, record, seal_records
from apps.core.tenancy import scope


def test_a_record_tells_who_did_what_to_what(in_acme, developer, viewer) -> None:
    row = record(actor=developer, action="member.looked_at", subject=viewer, why="testing")
    assert (row.actor_name, row.action, row.subject_name, row.details) == (
        "developer",
        "member.looked_at",
        "viewer",
        {"why": "testing"},
    )


def test_a_sealed_chain_verifies_and_a_changed_record_breaks_it(cast) -> None:
    with scope(cast.acme.pk):
        rows = [record(actor=cast.owner, action=f"step.{number}") for number in range(3)]
    assert seal_records() == 3
    assert seal_records() == 0
    with scope(cast.acme.pk):
        assert first_broken_seal() is None
        seals = list(AuditSeal.objects.select_related("record").order_by("number"))
        seals[1].record.action = "step.forged"
        assert first_broken_seal(seals) == seals[1]
        assert [seal.record_id for seal in seals] == [row.pk for row in rows]


def test_each_workspace_has_a_chain_of_its_own(cast) -> None:
    for member in (cast.owner, cast.stranger):
        with scope(member.workspace_id):
            record(actor=member, action="looked")
    seal_records()
    for member in (cast.owner, cast.stranger):
        with scope(member.workspace_id):
            assert [seal.number for seal in AuditSeal.objects.all()] == [1]


@pytest.mark.parametrize("statement", ["UPDATE audit_auditrecord SET action = 'x'", "DELETE FROM audit_auditrecord"])
def test_the_database_refuses_to_change_or_remove_a_record(cast, statement) -> None:
    with pytest.raises(DatabaseError, match="never changed"), scope(cast.acme.pk):
        record(actor=cast.owner, action="looked")
        with connection.cursor() as cursor:
            cursor.execute(statement)
