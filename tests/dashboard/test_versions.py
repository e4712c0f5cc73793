"""The pages of versions: history, comparison, drafts, activation, two who edit, users, archive, deletion."""

import re
from collections.abc import Callable
from types import SimpleNamespace

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.core.tenancy import scope
from apps.dashboard import diffs
from apps.dashboard.paging import ROWS
from apps.functions.definition import Settings
from apps.functions.models import Function, FunctionVersion
from apps.functions.services import create_function, save_version, update_details
from apps.runs.models import Run

SOURCE = 'def shout(text: str) -> str:\n    """Say it loudly."""\n    return text.upper()\n'


@pytest.fixture
def shout(cast: SimpleNamespace) -> Function:
    with scope(cast.acme.pk):
        return create_function(actor=cast.developer, source=SOURCE)


@pytest.fixture
def client(cast: SimpleNamespace, sign_in: Callable[..., Client]) -> Client:
    return sign_in(cast.developer)


def save(cast: SimpleNamespace, function: Function, mark: str, **stated: object) -> FunctionVersion:
    with scope(cast.acme.pk):
        given = {"actor": cast.owner, "function": function, "source": f"{SOURCE}# {mark}\n", **stated}
        return save_version(**given)


def url(function: Function, rest: str = "") -> str:
    return f"/w/acme/functions/{function.pk}/{rest}"


def read(client: Client, address: str) -> str:
    response = client.get(address)
    assert response.status_code == 200, response.content[:500]
    return response.content.decode()


def filled(page: str) -> dict[str, str]:
    """What the hidden fields of a page's form were filled with."""
    found = (re.search(rf'name="{name}"[^>]*value="([^"]*)"|value="([^"]*)"[^>]*name="{name}"', page) for name in
             ("based_on", "newest_seen", "details_seen"))  # fmt: skip
    return {name: match[1] or match[2] for name, match in zip(("based_on", "newest_seen", "details_seen"), found, strict=True)}


def numbers(cast: SimpleNamespace) -> tuple[int, int]:
    """How many versions there are, and which one is active."""
    with scope(cast.acme.pk):
        own = FunctionVersion.objects.filter(function__name="shout")
        return own.count(), own.active().get().number


def test_the_history_says_of_each_version_who_when_what_and_where_it_stands(client, cast, shout) -> None:
    save(cast, shout, "2", note="Louder.")
    save(cast, shout, "3", activate=False)
    page = read(client, url(shout, "versions"))
    rows = [re.sub(r"<[^>]+>|\s+", " ", row) for row in page.split("<tbody>")[1].split("</tr>")[:3]]
    assert all("owner" in row for row in rows[:2])
    assert [next(word for word in ("Active", "Draft", "Earlier") if word in row) for row in rows] == [
        "Draft",
        "Active",
        "Earlier",
    ]
    assert "Louder." in rows[1]
    assert "source +1 \N{MINUS SIGN}1" in rows[0]
    assert ("Activate" in rows[0], "Roll back" in rows[2]) == (True, True)


def test_the_history_goes_on_page_by_page_at_the_same_cost(client, cast, shout) -> None:
    counts = []
    for many in (2, ROWS):
        for number in range(many):
            save(cast, shout, f"{many} {number}")
        with CaptureQueriesContext(connection) as queries:
            page = read(client, url(shout, "versions"))
        counts.append(len(queries))
    assert counts[0] == counts[1]
    older = re.search(r'rel="next" href="([^"]+)"', page)
    assert older
    assert "Version 1<" in read(client, url(shout, "versions") + older[1])


def test_who_may_not_write_sees_the_history_without_its_actions(cast, shout, sign_in) -> None:
    save(cast, shout, "2")
    page = read(sign_in(cast.viewer), url(shout, "versions"))
    assert "Compare" in page
    assert "/activate" not in page
    assert f"{url(shout)}edit" not in page


def test_a_comparison_shows_lines_of_both_and_settings_in_words(client, cast, shout) -> None:
    settings = Settings(limits={"memory_bytes": 512 << 20}, hosts=("api.example.org",))
    save(cast, shout, "2", settings=settings, requirements=["markdown"])
    page = read(client, url(shout, "diff?before=1&after=2"))
    added = page.split('<ins class="diff-side diff-new">')[1].split("</ins>")[0]
    assert re.sub(r"<[^>]+>", "", added).strip() == "# 2"
    assert 'data-number="4"' in added
    for words in ("Memory: 512 MiB", "api.example.org", "markdown", "Packages"):
        assert words in page
    back = read(client, url(shout, "diff?before=2&after=1"))
    assert '<del class="diff-side diff-old">' in back


def test_what_is_in_a_source_is_shown_and_never_obeyed(client, cast, shout) -> None:
    save(cast, shout, "<script>alert(1)</script> \u202e")
    page = read(client, url(shout, "diff"))
    assert "<script>alert" not in page
    assert "\u202e" not in page
    assert "⟨U+202E⟩" in page


def test_a_comparison_too_long_for_a_page_says_how_much_is_left_out(client, cast, shout, monkeypatch) -> None:
    monkeypatch.setattr(diffs, "MOST_LINES", 2)
    save(cast, shout, "2")
    assert "7 more lines differ" in read(client, url(shout, "diff"))


def test_versions_that_do_the_same_say_so(client, shout) -> None:
    assert "Nothing differs" in read(client, url(shout, "diff?before=1&after=1"))


@pytest.mark.parametrize("query", ["before=9", "after=x", "before=-1", "after=99999999999999", "before=%00"])
def test_a_comparison_with_what_is_not_there_is_not_found(client, shout, query: str) -> None:
    assert client.get(url(shout, f"diff?{query}")).status_code == 404


def test_a_draft_is_saved_and_shown_as_one(client, cast, shout) -> None:
    page = read(client, url(shout, "edit"))
    sent = {"source": SOURCE + "# mine\n", "note": "Try it.", "keep_draft": "yes", **filled(page)}
    response = client.post(url(shout, "edit"), sent)
    assert response.headers["Location"] == url(shout, "?version=2")
    assert numbers(cast) == (2, 1)
    page = read(client, response.headers["Location"])
    assert "a draft" in page
    assert "Try it." in page
    assert "Version 1 is active." in page


def test_activation_shows_what_changes_and_who_uses_it_and_then_does_it(client, cast, shout) -> None:
    draft = save(cast, shout, "2", activate=False)
    with scope(cast.acme.pk):
        create_function(actor=cast.developer, source="def caller(): return shout('a')")
        create_function(actor=cast.developer, source="def far(): return caller()")
    address = url(shout, f"versions/{draft.pk}/activate")
    page = read(client, address)
    assert "2 functions use it" in page
    assert re.search(r"caller</a><span class=\"quiet\">calls it", page)
    assert re.search(r"far</a><span class=\"quiet\">through others", page)
    assert "# 2" in re.sub(r"<[^>]+>", "", page)
    assert client.post(address, {"instead_of": "1"}).status_code == 302
    assert numbers(cast) == (2, 2)


def test_going_back_is_asked_on_the_same_page_and_a_change_meanwhile_is_told(client, cast, shout) -> None:
    first = shout.active_version
    save(cast, shout, "2")
    address = url(shout, f"versions/{first.pk}/activate")
    assert "Roll back to version 1" in read(client, address)
    save(cast, shout, "3")
    refused = client.post(address, {"instead_of": "2"})
    assert (refused.status_code, numbers(cast)) == (409, (3, 3))
    assert "version 3 is active now" in refused.content.decode()
    assert client.post(address, {"instead_of": "3"}).status_code == 302
    assert numbers(cast) == (3, 1)


def test_a_version_of_another_function_is_not_activated_here(client, cast, shout) -> None:
    with scope(cast.acme.pk):
        other = create_function(actor=cast.developer, source="def other(): ...")
    address = url(shout, f"versions/{other.active_version_id}/activate")
    assert (client.get(address).status_code, client.post(address).status_code) == (404, 404)


def test_the_second_of_two_editors_sees_theirs_beside_the_text_that_stays_and_decides(client, cast, shout) -> None:
    opened = filled(read(client, url(shout, "edit")))
    save(cast, shout, "theirs")
    mine = {"source": SOURCE + "# mine\n", "limit_wall_seconds": "9 s", "note": "Mine.", **opened}
    refused = client.post(url(shout, "edit"), mine)
    page = refused.content.decode()
    assert (refused.status_code, numbers(cast)) == (409, (2, 2))
    assert "owner saved version 2 of “shout” while you were writing." in page
    assert re.sub(r"<[^>]+>", "", page.split('<del class="diff-side diff-old">')[1].split("</del>")[0]).strip() == "# theirs"
    assert re.sub(r"<[^>]+>", "", page.split('<ins class="diff-side diff-new">')[1].split("</ins>")[0]).strip() == "# mine"
    assert "# mine" in page.split("<textarea")[1]
    assert 'value="9 s"' in page
    assert "Wall time: 9 s" in page or "9 s</ins>" in page
    assert client.post(url(shout, "edit"), {**mine, **filled(page)}).status_code == 302
    assert numbers(cast) == (3, 3)
    with scope(cast.acme.pk):
        assert FunctionVersion.objects.get(number=3).derived_from.number == 1


def test_who_edits_an_older_version_is_told_of_the_newer_one_and_may(client, cast, shout) -> None:
    save(cast, shout, "2", activate=False)
    page = read(client, url(shout, "edit"))
    assert "Version 2 is newer, a draft of owner" in re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", page))
    assert filled(page)["based_on"] == "1"
    assert client.post(url(shout, "edit"), {"source": SOURCE + "# 3\n", **filled(page)}).status_code == 302
    newer = read(client, url(shout, "edit?version=2"))
    assert filled(newer)["based_on"] == "2"
    assert "# 2" in newer.split("<textarea")[1]


def test_a_description_that_another_has_changed_meanwhile_is_not_overwritten(client, cast, shout) -> None:
    opened = filled(read(client, url(shout, "edit")))
    with scope(cast.acme.pk):
        update_details(actor=cast.owner, function=shout, description="Theirs.", tags=[])
    untouched = {"source": SOURCE + "# 2\n", "description": "Say it loudly.", **opened}
    assert client.post(url(shout, "edit"), untouched).status_code == 302
    mine = {**untouched, "source": SOURCE + "# 3\n", "description": "Mine.", "based_on": "2", "newest_seen": "2"}
    refused = client.post(url(shout, "edit"), mine)
    assert (refused.status_code, numbers(cast)) == (409, (2, 2))
    assert "It is now: Theirs." in refused.content.decode()
    assert client.post(url(shout, "edit"), {**mine, **filled(refused.content.decode())}).status_code == 302
    with scope(cast.acme.pk):
        assert Function.objects.get(pk=shout.pk).description == "Mine."


def test_archiving_hides_and_bringing_back_shows(client, cast, shout) -> None:
    assert "goes out of lists" in read(client, url(shout, "archive"))
    assert client.post(url(shout, "archive")).status_code == 302
    assert "shout is archived" in read(client, "/w/acme/")
    assert "shout" not in read(client, "/w/acme/functions/")
    assert "shout" in read(client, "/w/acme/functions/?shelf=archive")
    page = read(client, url(shout))
    assert "It was archived" in page
    assert "argument-text" not in page
    refused = client.post(url(shout, "run"), {"version": str(shout.active_version_id), "argument-text": "a"})
    assert refused.status_code == 409
    assert client.post(url(shout, "unarchive")).status_code == 302
    assert "argument-text" in read(client, url(shout))


def test_what_is_used_says_by_whom_and_cannot_be_archived(client, cast, shout) -> None:
    with scope(cast.acme.pk):
        create_function(actor=cast.developer, source="def caller(): return shout('a')")
    page = read(client, url(shout, "archive"))
    assert "1 function uses it" in page
    assert "Archive it<" not in page
    refused = client.post(url(shout, "archive"))
    assert (refused.status_code, "is called by caller" in refused.content.decode()) == (409, True)
    assert "caller" in read(client, url(shout, "users"))
    assert "1 function uses it" in read(client, url(shout))


def test_users_are_a_page_at_a_time_at_the_same_cost(client, cast, shout) -> None:
    counts = []
    for first, last in ((0, 3), (3, ROWS + 2)):
        with scope(cast.acme.pk):
            for number in range(first, last):
                create_function(actor=cast.developer, source=f"def caller{number}(): return shout('a')")
        with CaptureQueriesContext(connection) as queries:
            page = read(client, url(shout, "users"))
        counts.append(len(queries))
    assert counts[0] == counts[1]
    assert 'rel="next"' in page
    with CaptureQueriesContext(connection) as queries:
        assert read(client, url(shout)).count("caller") < 60
    assert len(queries) <= 30


def test_deletion_wants_the_archive_and_the_name(cast, shout, sign_in, client) -> None:
    admin = sign_in(cast.admin)
    assert "Only what is archived can be deleted." in read(admin, url(shout, "delete"))
    assert admin.post(url(shout, "delete"), {"name": "shout"}).status_code == 409
    client.post(url(shout, "archive"))
    wrong = admin.post(url(shout, "delete"), {"name": "shut"})
    assert (wrong.status_code, "This is not its name." in wrong.content.decode()) == (422, True)
    assert admin.post(url(shout, "delete"), {"name": "shout"}).headers["Location"] == "/w/acme/functions/"
    with scope(cast.acme.pk):
        assert not Function.objects.exists()
    assert "Delete…" not in read(client, "/w/acme/functions/?shelf=archive")


def test_a_pin_is_shown_stays_through_edits_and_goes_when_it_is_taken_out(client, cast, shout) -> None:
    caller = 'def caller() -> str:\n    return shout("a")\n'
    with scope(cast.acme.pk):
        function = create_function(actor=cast.developer, source=caller, dependencies=["shout@1"])
    save(cast, shout, "2")
    assert f'{url(shout)}?version=1">shout</a> <span class="tag">version 1</span>' in read(client, url(function))
    assert "calls a version of its own choice" in read(client, url(shout, "users"))
    page = read(client, url(function, "edit"))
    kept = re.search(r'name="dependencies"[^>]*value="([^"]*)"|value="([^"]*)"[^>]*name="dependencies"', page)
    assert kept
    sent = {"source": caller + "# 2\n", "dependencies": kept[1] or kept[2], **filled(page)}
    client.post(url(function, "edit"), sent)
    client.post(url(function, "edit"), {"source": caller + "# 3\n", **filled(read(client, url(function, "edit")))})
    with scope(cast.acme.pk):
        pins = FunctionVersion.objects.filter(function=function).order_by("number").values_list("pins", flat=True)
        assert list(pins) == [{"shout": 1}, {"shout": 1}, {}]


def test_examples_are_written_in_the_form_tried_on_their_page_and_wanted_by_one_click(client, cast, shout, sign_in) -> None:
    page = read(client, url(shout, "edit"))
    assert 'placeholder="{&quot;text&quot;: &quot; a &quot;} =&gt; &quot;a&quot;"' in page, "its quotes would end the attribute"
    opened = filled(page)
    line = '{"text": "a"} => "A"'
    refused = client.post(url(shout, "edit"), {"source": SOURCE, "examples": f"{line}\nnonsense", **opened})
    assert (refused.status_code, "Example 2 cannot be read" in refused.content.decode()) == (422, True)
    refused = client.post(url(shout, "edit"), {"source": SOURCE, "examples": '{"word": 1} => 1', **opened})
    assert (refused.status_code, numbers(cast)) == (422, (1, 1))
    assert client.post(url(shout, "edit"), {"source": SOURCE, "examples": line, **opened}).status_code == 302
    with scope(cast.acme.pk):
        version = FunctionVersion.objects.get(number=2)
    address = url(shout, f"versions/{version.pk}/examples")
    page = read(client, address)
    assert "0 of 1 as expected" in page
    assert "Not tried yet" in page
    assert client.post(address).headers["Location"] == address
    assert 'hx-trigger="changed, every 5s"' in read(client, address)
    with scope(cast.acme.pk):
        Run.objects.update(state="succeeded", result="A")
    page = read(client, address)
    assert "1 of 1 as expected" in page
    assert 'hx-trigger="changed, every 5s"' not in page
    assert "Want them met" in read(client, url(shout))
    assert client.post(url(shout, "needs-examples"), {"required": "yes"}).status_code == 302
    assert "Only versions whose examples were met become active." in read(client, url(shout))
    opened = filled(read(client, url(shout, "edit")))
    refused = client.post(url(shout, "edit"), {"source": SOURCE + "#\n", "examples": line, **opened})
    assert (refused.status_code, "Save it as a draft, try its examples" in refused.content.decode()) == (409, True)
    assert sign_in(cast.viewer).post(address).status_code == 403


def test_a_version_without_examples_says_how_to_get_some(client, shout) -> None:
    page = read(client, url(shout, f"versions/{shout.active_version_id}/examples"))
    assert "Write some when you edit the function" in page
    assert "Try them" not in page
