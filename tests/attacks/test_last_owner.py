"""Races about who belongs to a workspace."""

import threading
from typing import Any

import pytest
from django.db import connection

from apps.core.tenancy import scope
from apps.workspaces.models import Membership
from apps.workspaces.roles import Role
from apps.workspaces.services import LastOwner, add_member, remove_member


@pytest.mark.parametrize("how", ["leave", "step down"])
def test_of_two_owners_who_go_at_once_one_stays(cast: Any, how: str) -> None:
    with scope(cast.acme.pk):
        second = add_member(actor=cast.owner, user=cast.admin.user, role=Role.OWNER)
    together, refused = threading.Barrier(2, timeout=10), []

    def go(member: Membership) -> None:
        try:
            together.wait()
            with scope(cast.acme.pk):
                if how == "leave":
                    remove_member(actor=member, membership_id=member.pk)
                else:
                    add_member(actor=member, user=member.user, role=Role.ADMIN)
                connection.cursor().execute("SELECT pg_sleep(0.3)")  # the other one is in the middle of it now
        except LastOwner as error:
            refused.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=go, args=(member,)) for member in (cast.owner, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 1
    with scope(cast.acme.pk):
        assert Membership.objects.filter(role=Role.OWNER).count() == 1
