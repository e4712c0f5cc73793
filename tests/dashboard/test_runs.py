"""One run as a page: calls, log, files; and the list of runs."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from django.db.models.functions import Now
from django.test import Client
from django.utils import timezone

from apps.core.tenancy import scope
from apps.dashboard.calls import DEEPEST, call_tree
from apps.runs.models import Attempt, LogChunk, Run, Span
from apps.runs.states import RunState
from tests.dashboard.conftest import make_function, make_run


@pytest.fixture
def client(cast: SimpleNamespace, sign_in: Callable[..., Client]) -> Client:
    return sign_in(cast.operator)


@pytest.fixture
def run(cast: SimpleNamespace) -> Run:
    with scope(cast.acme.pk):
        return make_run(cast.operator, make_function(cast.developer))


def span(key: str, parent: str = "", attempt: int = 1) -> Span:
    return Span(key=key, parent_key=parent, attempt=attempt, function_name=f"f{key}")


def test_calls_stand_under_their_callers() -> None:
    roots = call_tree(
        [span("1"), span("2", "1"), span("3", "2"), span("4", "1"), span("1", attempt=2), span("2", "1", attempt=2)]
    )
    assert [root.function_name for root in roots] == ["f1", "f1"]
    assert [child.function_name for child in roots[0].children] == ["f2", "f4"]
    assert [child.function_name for child in roots[0].children[0].children] == ["f3"]


@pytest.mark.parametrize("parent", ["nobody", "1"], ids=["unknown parent", "its own parent"])
def test_a_span_that_lies_about_its_parent_is_a_root(parent: str) -> None:
    assert len(call_tree([span("1", parent)])) == 1


def test_a_chain_of_calls_deeper_than_a_page_can_nest_goes_flat() -> None:
    def depth_of(call) -> int:
        return 1 + max((depth_of(child) for child in call.children), default=0)

    spans = [span(str(number), str(number - 1)) for number in range(1000)]
    roots = call_tree(spans)
    assert len(roots) == 1
    assert depth_of(roots[0]) == DEEPEST + 1


def _text_of(response) -> str:
    return b"".join(response.streaming_content).decode()


def test_the_log_downloads_as_text_in_its_order(client, cast, run) -> None:
    with scope(cast.acme.pk):
        LogChunk.objects.create(run=run, attempt=1, seq=3, stream="stdout", at=Now(), text="third\n")
        LogChunk.objects.create(run=run, attempt=1, seq=2, stream="stderr", at=Now(), text="<b>second</b>")
    response = client.get(f"/w/acme/runs/{run.pk}/log")
    lines = [line for line in _text_of(response).splitlines() if not line.startswith("---")]
    assert lines == [f"said in {run.short_id}", "", "<b>second</b>", "third"]
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert response.headers["Content-Disposition"].startswith("attachment")


def test_output_is_shown_and_not_obeyed(client, cast, run) -> None:
    with scope(cast.acme.pk):
        LogChunk.objects.create(run=run, attempt=1, seq=2, stream="stdout", at=Now(), text="<script>x</script>\u202eevil\x1b[2J")
    page = client.get(f"/w/acme/runs/{run.pk}/").content.decode()
    assert "<script>x" not in page
    assert "⟨U+202E⟩evil⟨U+001B⟩" in page


def test_a_page_of_an_open_run_refreshes_itself_and_one_of_an_ended_run_does_not(client, cast, run) -> None:
    url = f"/w/acme/runs/{run.pk}/"
    assert f'hx-get="{url}"' in client.get(url).content.decode()
    with scope(cast.acme.pk):
        Run.objects.filter(pk=run.pk).update(state=RunState.SUCCEEDED)
    assert f'hx-get="{url}"' not in client.get(url).content.decode()


def test_what_to_do_about_an_outcome_is_said(client, cast, run) -> None:
    with scope(cast.acme.pk):
        Run.objects.filter(pk=run.pk).update(state=RunState.FAILED, outcome="digest", message="It is not what it was.")
    page = client.get(f"/w/acme/runs/{run.pk}/").content.decode()
    assert page.index("It is not what it was.") < page.index("Tell whoever runs this installation.")


def test_an_end_at_a_limit_leads_those_who_may_to_the_limit(client, cast, run, sign_in) -> None:
    with scope(cast.acme.pk):
        Run.objects.filter(pk=run.pk).update(
            state=RunState.FAILED, outcome="oom", limit_reached="memory_bytes", message="Out of memory at 256 MiB.",
            error={"type": "MemoryError", "message": "", "traceback": "", "line": 1},
        )  # fmt: skip
    url, link = f"/w/acme/runs/{run.pk}/", f"/w/acme/functions/{run.function_id}/edit?limits#id_limit_memory_bytes"
    page = sign_in(cast.developer).get(url).content.decode()
    assert page.index("Out of memory at 256 MiB.") < page.index("MemoryError") < page.index(link)
    assert link not in client.get(url).content.decode()
    form = sign_in(cast.developer).get(link.partition("#")[0]).content.decode()
    assert '<details class="disclosure" id="limits" open>' in form
    assert 'id="id_limit_memory_bytes"' in form


def test_limits_stand_beside_what_was_used_as_far_as_that_is_known(client, cast, run) -> None:
    with scope(cast.acme.pk):
        Run.objects.filter(pk=run.pk).update(
            state=RunState.TIMED_OUT, limit_reached="wall_seconds", message="Too long.",
            limits={"wall_seconds": 30, "memory_bytes": 256 << 20, "processes": 64},
            used={"wall_seconds": 30.02, "memory_bytes": 40_000_000},
        )  # fmt: skip
    page = client.get(f"/w/acme/runs/{run.pk}/").content.decode()
    assert '30.0 s <span class="quiet">of 30 s</span> <span class="tag">reached</span>' in page
    assert '38.1 MiB <span class="quiet">of 256 MiB</span>' in page
    assert "<dt>Processes and threads</dt><dd>64</dd>" in page


def test_what_a_good_end_has_to_add_is_shown(client, cast, run) -> None:
    with scope(cast.acme.pk):
        Run.objects.filter(pk=run.pk).update(state=RunState.SUCCEEDED, message="Done, but 2 files were not kept.")
    page = client.get(f"/w/acme/runs/{run.pk}/").content.decode()
    assert "Done, but 2 files were not kept." in page
    assert "It did not end well" not in page


def test_a_run_that_succeeded_is_not_told_as_trouble_and_one_that_waits_for_a_box_says_why(client, cast, run) -> None:
    with scope(cast.acme.pk):
        Run.objects.filter(pk=run.pk).update(message="No engine answers.")
    waiting = client.get(f"/w/acme/runs/{run.pk}/").content.decode()
    assert "It has to wait" in waiting
    assert "No engine answers." in waiting
    with scope(cast.acme.pk):
        Run.objects.filter(pk=run.pk).update(state=RunState.SUCCEEDED, message="Done.")
    assert "It did not end well" not in client.get(f"/w/acme/runs/{run.pk}/").content.decode()


def test_cancelling_a_queued_run_ends_it(client, cast, run) -> None:
    assert client.post(f"/w/acme/runs/{run.pk}/cancel").status_code == 302
    with scope(cast.acme.pk):
        assert Run.objects.get(pk=run.pk).state == RunState.CANCELLED
    again = client.post(f"/w/acme/runs/{run.pk}/cancel")
    assert (again.status_code, b"already ended" in again.content) == (409, True)


def test_the_list_can_be_narrowed(client, cast, run) -> None:
    with scope(cast.acme.pk):
        other = make_run(cast.operator, make_function(cast.developer, "whisper"), state=RunState.RUNNING)

    def found(query: str) -> tuple[bool, bool]:
        page = client.get(f"/w/acme/runs/{query}").content.decode()
        return run.short_id in page, other.short_id in page

    assert found("") == (True, True)
    assert found("?q=whis") == (False, True)
    assert found("?state=running") == (False, True)
    assert found(f"?function={run.function_id}") == (True, False)


@pytest.mark.parametrize("query", ["?before=x", "?after=1"])
def test_a_list_that_cannot_be_is_not_found(client, run, query: str) -> None:
    assert client.get(f"/w/acme/runs/{query}").status_code == 404


def test_a_foreign_function_filters_nothing_out_and_nothing_in(client, cast, run) -> None:
    with scope(cast.globex.pk):
        foreign = make_function(cast.stranger)
    assert client.get(f"/w/acme/runs/?function={foreign.function_id}").status_code == 404


def test_a_line_knows_its_stream_its_level_and_its_time(client, cast, run) -> None:
    with scope(cast.acme.pk):
        at = datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)
        LogChunk.objects.create(run=run, attempt=1, seq=2, stream="log", level="warning", at=at, text="low\n")
    page = client.get(f"/w/acme/runs/{run.pk}/").content.decode()
    assert 'data-stream="log" data-level="warning"' in page
    assert "03:04:05.678" in page
    assert 'data-last="2"' in page


def test_progress_shows_as_a_bar_with_what_is_left_on_the_page_and_in_the_list(client, cast, run) -> None:
    began = timezone.now() - timedelta(minutes=2)
    with scope(cast.acme.pk):
        Attempt.objects.create(run=run, number=1, worker="w")
        Attempt.objects.update(started_at=began)
        Run.objects.filter(pk=run.pk).update(state="running", started_at=began, progress=0.4, progress_text="aligning")
    page = client.get(f"/w/acme/runs/{run.pk}/").content.decode()
    assert "aligning" in page
    assert "40 %, about 3 min left" in page
    assert 'aria-label="Progress of the run">40 %' in client.get("/w/acme/runs/").content.decode()


def test_a_run_that_waits_for_its_packages_says_so(client, cast, run) -> None:
    with scope(cast.acme.pk):
        Run.objects.filter(pk=run.pk).update(state="running", progress_text="Its packages are being built again on this host")
    assert "being built again on this host" in client.get(f"/w/acme/runs/{run.pk}/").content.decode()


def test_a_run_whose_function_stores_no_arguments_shows_none_and_says_why(client, cast, run) -> None:
    with scope(cast.acme.pk):
        Run.objects.filter(pk=run.pk).update(logging={"store_arguments": False})
    page = client.get(f"/w/acme/runs/{run.pk}/").content.decode()
    assert "sealed while the run is open" in page
    assert 'aria-label="Arguments"' not in page


def test_a_call_shows_all_that_is_kept_of_its_arguments_its_result_its_time_and_its_error(client, cast, run) -> None:
    given, got = "text='" + "a" * 300 + "z'", "'" + "b" * 300 + "y'"
    with scope(cast.acme.pk):
        told = {"run": run, "attempt": 1, "arguments_preview": given}
        Span.objects.create(**told, key="1", function_name="fetch", result_preview=got, seconds=0.25)
        Span.objects.create(**told, key="2", function_name="parse", error="ValueError: <no>", line=3)
    tree = client.get(f"/w/acme/runs/{run.pk}/").content.decode().partition('<ul class="spans">')[2].partition("</section>")[0]
    assert tree.count("a" * 300 + "z") == 2
    assert "b" * 300 + "y" in tree
    assert "250 ms" in tree
    assert "ValueError: &lt;no&gt;" in tree
