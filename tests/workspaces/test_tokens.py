"""What a token may: its scopes, its functions, and never more than its member."""

from datetime import timedelta

import pytest
from django.utils import timezone

from apps.audit.models import AuditRecord
from apps.core.tenancy import scope
from apps.workspaces.models import ApiToken, Membership, every_scope
from apps.workspaces.roles import TOKEN_SCOPES, Permission, Role
from apps.workspaces.services import (
    BadScopes,
    PermissionMissing,
    ScopeMissing,
    authenticate_token,
    create_token,
    require,
    require_function,
)


def acting(member: Membership, **given: object) -> Membership:
    with scope(member.workspace_id):
        token = create_token(**{"actor": member, "name": "a program", "lifetime": timedelta(days=1), **given})
    found = authenticate_token(token, now=timezone.now())
    assert found is not None
    return found


@pytest.mark.parametrize("permission", list(Permission))
@pytest.mark.parametrize("chosen", list(TOKEN_SCOPES))
def test_a_token_may_what_its_scope_covers_and_nothing_else(cast, chosen, permission) -> None:
    program = acting(cast.owner, scopes=[chosen])
    assert program.can(permission) == (permission in TOKEN_SCOPES[chosen])


def test_no_scope_lets_a_token_vote_or_own(cast) -> None:
    program = acting(cast.owner)
    assert not program.can(Permission.VOTE)
    assert not program.can(Permission.OWN)


def test_a_token_loses_what_its_member_loses(cast) -> None:
    program = acting(cast.developer, scopes=["develop", "run"])
    require(program, Permission.DEVELOP)
    program.role = Role.VIEWER
    with pytest.raises(PermissionMissing):
        require(program, Permission.DEVELOP)


def test_a_missing_scope_is_told_with_what_to_do(cast) -> None:
    with pytest.raises(ScopeMissing, match="make one with the scope “develop”"):
        require(acting(cast.developer, scopes=["run"]), Permission.DEVELOP)


def test_a_token_for_named_functions_runs_those_alone(cast) -> None:
    program = acting(cast.developer, scopes=["run"], functions=["shout"])
    require_function(program, Permission.RUN, "shout")
    for refused in ("whisper", "shout2", ""):
        with pytest.raises(ScopeMissing, match="shout"):
            require_function(program, Permission.RUN, refused)
    with pytest.raises(ScopeMissing):
        require(program, Permission.RUN)
    with pytest.raises(ScopeMissing):
        require_function(acting(cast.developer, scopes=["view"], functions=["shout"]), Permission.RUN, "shout")
    with pytest.raises(PermissionMissing):
        require_function(acting(cast.viewer, scopes=["run"], functions=["shout"]), Permission.RUN, "shout")


@pytest.mark.parametrize(
    ("scopes", "functions"),
    [(["vote"], []), (["own"], []), (["everything"], []), ([], []), (None, ["shout"]), (["develop"], ["shout"]), (["run"], [""]),
     (["run"], ["x" * 101]), (["run"], [f"f{number}" for number in range(101)])],
)  # fmt: skip
def test_scopes_that_make_no_sense_are_refused(cast, scopes, functions) -> None:
    with scope(cast.acme.pk), pytest.raises(BadScopes):
        create_token(actor=cast.owner, name="x", lifetime=None, scopes=scopes, functions=functions)


def test_a_token_that_was_made_before_there_were_scopes_keeps_what_it_could(cast) -> None:
    with scope(cast.acme.pk):
        row = ApiToken(membership=cast.owner, name="old")
    assert row.scopes == every_scope()
    assert all(row.allows(permission) for permission in (Permission.RUN, Permission.DEVELOP, Permission.ADMINISTER))


def test_what_a_program_does_stands_in_the_audit_trail_with_its_tokens_name(cast) -> None:
    from apps.audit.services import record

    program = acting(cast.developer)
    with scope(cast.acme.pk):
        record(actor=program, action="tested")
        record(actor=cast.developer, action="tested.in_person")
        by_program, in_person = (AuditRecord.objects.get(action=action) for action in ("tested", "tested.in_person"))
    assert (by_program.by_token, by_program.details) == (True, {"token": "a program"})
    assert (in_person.by_token, in_person.details) == (False, {})
