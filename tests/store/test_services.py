"""What people do with the store."""

from typing import Any

import pytest
from django.db import IntegrityError, transaction

from apps.audit.models import AuditRecord
from apps.core.tenancy import scope
from apps.store.commit import KEPT_VERSIONS
from apps.store.models import Collection, Document, DocumentVersion, PendingWrite
from apps.store.pending import ChangedMeanwhile, Seen
from apps.store.services import NoSuchDocument, delete_document, find_document, get_document, write_document
from apps.workspaces.services import PermissionMissing, remove_member


def write(actor: Any, value: Any, key: str = "a", **more: Any) -> Document:
    return write_document(actor=actor, collection="notes", key=key, value=value, **more)


def test_a_document_is_written_read_and_deleted_and_all_of_it_is_recorded(in_acme, cast) -> None:
    made = write(cast.developer, {"n": 1})
    assert (made.value, made.version, made.member, made.run, made.size) == ({"n": 1}, 1, cast.developer, None, 8)
    again = write(cast.admin, {"n": 2})
    assert (again.pk, again.version, again.member) == (made.pk, 2, cast.admin)
    assert again.revision != made.revision
    assert again.updated_at >= made.updated_at
    assert again.created_at == made.created_at
    delete_document(actor=cast.developer, document_id=made.pk)
    with pytest.raises(NoSuchDocument):
        get_document(actor=cast.viewer, document_id=made.pk)
    told = (
        AuditRecord.objects.filter(action__startswith="document.")
        .order_by("id")
        .values_list("action", "actor_name", "subject_name")
    )
    assert list(told) == [
        ("document.written", "developer", "notes/a"),
        ("document.written", "admin", "notes/a"),
        ("document.deleted", "developer", "notes/a"),
    ]


@pytest.mark.parametrize("name", ["viewer", "operator", "approver"])
def test_who_may_not_write_functions_may_not_write_what_they_rely_on(in_acme, cast, name: str) -> None:
    made = write(cast.developer, 1)
    for act in (
        lambda actor: write(actor, 2),
        lambda actor: delete_document(actor=actor, document_id=made.pk),
    ):
        with pytest.raises(PermissionMissing):
            act(getattr(cast, name))
    assert find_document(actor=getattr(cast, name), collection="notes", key="a").value == 1


def test_another_workspace_s_documents_are_not_found_and_have_keys_of_their_own(cast) -> None:
    with scope(cast.acme.pk):
        made = write(cast.developer, "acme's")
    with scope(cast.globex.pk):
        with pytest.raises(NoSuchDocument):
            get_document(actor=cast.stranger, document_id=made.pk)
        write(cast.stranger, "globex's")
    with scope(cast.acme.pk):
        assert find_document(actor=cast.viewer, collection="notes", key="a").value == "acme's"


def test_the_second_of_two_who_edit_is_told_and_nothing_is_overwritten(in_acme, cast) -> None:
    opened = write(cast.developer, 1).revision
    write(cast.admin, 2, seen=Seen(opened))
    with pytest.raises(ChangedMeanwhile, match="Nothing was done"):
        write(cast.developer, 3, seen=Seen(opened))
    with pytest.raises(ChangedMeanwhile, match="already"):
        write(cast.developer, 3, seen=Seen(None))
    with pytest.raises(ChangedMeanwhile):
        delete_document(actor=cast.developer, document_id=Document.objects.get().pk, seen=Seen(opened))
    assert Document.objects.get().value == 2


def test_an_edit_of_what_was_deleted_meanwhile_makes_nothing(in_acme, cast) -> None:
    made = write(cast.developer, 1)
    delete_document(actor=cast.admin, document_id=made.pk)
    with pytest.raises(ChangedMeanwhile, match="deleted"):
        write(cast.developer, 2, seen=Seen(made.revision))
    assert not Document.objects.exists()


def test_the_last_former_values_are_kept_with_who_wrote_them(in_acme, cast) -> None:
    for number in range(KEPT_VERSIONS + 3):
        write(cast.developer if number % 2 else cast.admin, number)
    former = list(DocumentVersion.objects.order_by("number").values_list("number", "value"))
    assert former == [(number, number - 1) for number in range(3, KEPT_VERSIONS + 3)]
    assert DocumentVersion.objects.get(number=4).member == cast.developer


def test_who_wrote_a_document_can_leave_and_the_document_stays(in_acme, cast) -> None:
    write(cast.developer, 1)
    write(cast.developer, 2)
    remove_member(actor=cast.owner, membership_id=cast.developer.pk)
    assert (Document.objects.get().member, DocumentVersion.objects.get().member) == (None, None)
    assert write(cast.admin, 3).version == 3


def test_the_database_refuses_to_move_a_document_or_to_forge_a_former_value(in_acme, cast) -> None:
    write(cast.developer, 1)
    write(cast.developer, 2)
    for rows, change in (
        (Document.objects.all(), {"key": "b"}),
        (Collection.objects.all(), {"name": "b"}),
        (DocumentVersion.objects.all(), {"value": 7}),
    ):
        with pytest.raises(IntegrityError, match="never"), transaction.atomic():
            rows.update(**change)
    assert not PendingWrite.objects.exists()
