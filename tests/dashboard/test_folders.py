"""Folders, groups, how a function does, and what is suggested, on pages."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from apps.core.tenancy import scope
from apps.functions.folders import find_folder, make_folder
from apps.functions.models import FolderAccess, Function
from apps.runs.models import PutAway
from apps.runs.states import RunState
from apps.runs.suggestions import FAILED_IN_A_ROW
from tests.dashboard.conftest import make_function, make_run


@pytest.fixture
def admin(cast, sign_in) -> Client:
    return sign_in(cast.admin)


@pytest.fixture
def developer(cast, sign_in) -> Client:
    return sign_in(cast.developer)


@pytest.fixture
def shout(cast):
    with scope(cast.acme.pk):
        return make_function(cast.developer)


def folder_in(cast, path: str = "billing"):
    with scope(cast.acme.pk):
        return make_folder(actor=cast.owner, path=path)


def test_a_function_is_moved_into_a_folder_and_found_there(cast, developer, shout) -> None:
    folder_in(cast, "billing/cards")
    page = f"/w/acme/functions/{shout.function_id}/"
    assert developer.post(f"{page}move", {"folder": "billing/cards"}).status_code == 302
    assert b"billing/cards" in developer.get(page).content
    assert b"shout" in developer.get("/w/acme/functions/?folder=billing").content
    assert b">shout<" not in developer.get("/w/acme/functions/?folder=bill").content
    assert developer.post(f"{page}move", {"folder": "nowhere"}).status_code == 404


def test_search_and_shelf_keep_the_folder(cast, developer, shout) -> None:
    folder_in(cast, "billing")
    text = developer.get("/w/acme/functions/?folder=billing&q=x").content.decode()
    assert '<input type="hidden" name="folder" value="billing">' in text
    assert "?folder=billing&amp;q=x&amp;shelf=archive" in text


def test_an_admin_says_whom_a_folder_is_for_and_others_are_told(cast, admin, sign_in, shout) -> None:
    folder = folder_in(cast)
    with scope(cast.acme.pk):
        Function.objects.filter(pk=shout.function_id).update(folder=folder)
    address = f"/w/acme/functions/folders/{folder.pk}/"
    assert admin.post(f"{address}keep/run", {"roles": ["developer"]}).status_code == 302
    assert b"developer" in admin.get(address).content
    run = f"/w/acme/functions/{shout.function_id}/run"
    refused = sign_in(cast.operator).post(run, {"version": shout.pk, "argument-text": "a"})
    assert (refused.status_code, b"says who may run" in refused.content) == (403, True)
    assert sign_in(cast.developer).post(run, {"version": shout.pk, "argument-text": "a"}).status_code == 302


def test_a_role_that_may_not_run_at_all_is_no_choice(cast, admin) -> None:
    folder = folder_in(cast)
    assert admin.post(f"/w/acme/functions/folders/{folder.pk}/keep/run", {"roles": ["viewer"]}).status_code == 422
    with scope(cast.acme.pk):
        assert not FolderAccess.objects.exists()


def test_what_is_wrong_with_a_path_stands_in_the_form(cast, developer) -> None:
    response = developer.post("/w/acme/functions/folders/", {"path": "No Spaces"})
    assert (response.status_code, b"names with slashes" in response.content) == (422, True)


def test_a_folder_that_holds_something_stays_and_says_why(cast, developer, shout) -> None:
    folder = folder_in(cast)
    with scope(cast.acme.pk):
        Function.objects.filter(pk=shout.function_id).update(folder=folder)
    response = developer.post(f"/w/acme/functions/folders/{folder.pk}/remove")
    assert (response.status_code, b"Move them first" in response.content) == (409, True)


def test_a_folder_is_renamed(cast, developer) -> None:
    folder = folder_in(cast)
    assert developer.post(f"/w/acme/functions/folders/{folder.pk}/rename", {"path": "finance"}).status_code == 302
    with scope(cast.acme.pk):
        assert find_folder(actor=cast.viewer, path="finance").pk == folder.pk


def test_a_group_is_made_filled_and_removed(cast, admin) -> None:
    assert admin.post("/w/acme/members/groups/", {"name": "cards", "members": [cast.developer.pk]}).status_code == 302
    text = admin.get("/w/acme/members/groups/").content.decode()
    assert "cards" in text
    assert '<span class="sub">developer</span>' in text
    group_address = text.split('action="/w/acme/members/groups/')[1].split("fill")[0]
    assert admin.post(f"/w/acme/members/groups/{group_address}fill", {"members": [cast.operator.pk]}).status_code == 302
    assert '<span class="sub">operator</span>' in admin.get("/w/acme/members/groups/").content.decode()
    assert admin.post(f"/w/acme/members/groups/{group_address}remove").status_code == 302
    assert b"No groups yet" in admin.get("/w/acme/members/groups/").content


def test_a_function_is_handed_over(cast, admin, shout) -> None:
    address = f"/w/acme/functions/{shout.function_id}/"
    assert admin.post(f"{address}owner", {"owner": cast.approver.pk}).status_code == 422
    assert admin.post(f"{address}owner", {"owner": cast.owner.pk}).status_code == 302
    with scope(cast.acme.pk):
        assert Function.objects.get(pk=shout.function_id).owner == cast.owner


def fail(cast, version, times: int = FAILED_IN_A_ROW) -> None:
    with scope(cast.acme.pk):
        for _ in range(times):
            make_run(cast.developer, version, state=RunState.FAILED, seconds=1.0, finished_at=timezone.now())


def test_a_page_shows_how_a_function_does_run_by_run(cast, developer, shout) -> None:
    fail(cast, shout, 2)
    with scope(cast.acme.pk):
        make_run(cast.developer, shout, state=RunState.SUCCEEDED, seconds=0.5, finished_at=timezone.now())
    text = developer.get(f"/w/acme/functions/{shout.function_id}/").content.decode()
    assert text.count('<rect class="bar-bad"') == 2
    assert text.count('<rect class="bar-good"') == 1
    assert "33 % of the last 3" in text
    assert "The last 3 runs from left to right, the longest 1.0 s; 2 failed." in text


def test_what_fails_and_what_nobody_uses_are_lists_of_their_own(cast, developer, shout) -> None:
    with scope(cast.acme.pk):
        make_function(cast.developer, "idle")
        Function.objects.filter(name="idle").update(created_at=timezone.now() - timedelta(days=40))
    fail(cast, shout, 1)
    failing, unused = (developer.get(f"/w/acme/functions/?shelf={shelf}").content for shelf in ("failing", "unused"))
    assert (b">shout<" in failing, b">idle<" in failing) == (True, False)
    assert (b">shout<" in unused, b">idle<" in unused) == (False, True)
    assert b"0 of 1 went well" in failing


def test_a_suggestion_is_put_away(cast, developer, shout) -> None:
    fail(cast, shout)
    address = f"/w/acme/functions/{shout.function_id}/"
    assert b"The last 5 runs of version 1 failed." in developer.get(address).content
    assert developer.post(f"{address}put-away", {"version": shout.pk, "kind": "no_such"}).status_code == 404
    assert developer.post(f"{address}put-away", {"version": shout.pk, "kind": "always_failing"}).status_code == 302
    assert b"The last 5 runs of version 1 failed." not in developer.get(address).content
    with scope(cast.acme.pk):
        assert PutAway.objects.get().by == cast.developer


def test_one_click_keeps_answers_of_the_version_that_was_shown(cast, developer, shout) -> None:
    address = f"/w/acme/functions/{shout.function_id}/"
    assert developer.post(f"{address}keep-answers", {"version": shout.function_id}).status_code == 422
    assert developer.post(f"{address}keep-answers", {"version": shout.pk}).status_code == 302
    with scope(cast.acme.pk):
        function = Function.objects.select_related("active_version").get(pk=shout.function_id)
    assert function.active_version.handling == {"cache_seconds": 3600}
