"""Writing a function in the browser and running it from a form."""

from collections.abc import Callable
from copy import copy
from types import SimpleNamespace

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from apps.core.tenancy import scope
from apps.functions.models import Function, FunctionVersion
from apps.functions.services import save_version
from apps.packages.models import PackageSet
from apps.runs.models import Artifact, Run, RunInput, Span
from sandbox import LOADING
from tests.dashboard.conftest import SOURCE, make_function, make_run

NEW = "/w/acme/functions/new"


@pytest.fixture
def client(cast: SimpleNamespace, sign_in: Callable[..., Client]) -> Client:
    return sign_in(cast.developer)


@pytest.fixture
def shout(cast: SimpleNamespace) -> FunctionVersion:
    with scope(cast.acme.pk):
        return make_function(cast.developer)


def test_a_sound_source_becomes_a_function(client, cast) -> None:
    response = client.post(NEW, {"source": SOURCE.replace("\n", "\r\n"), "tags": "text, loud", "description": "Louder."})
    with scope(cast.acme.pk):
        function = Function.objects.select_related("active_version").get()
    assert response.headers["Location"] == f"/w/acme/functions/{function.pk}/"
    assert (function.name, function.tags, function.description) == ("shout", ["loud", "text"], "Louder.")
    assert function.active_version.source == SOURCE


def test_a_syntax_error_is_shown_at_its_line_and_nothing_is_kept(client, cast) -> None:
    response = client.post(NEW, {"source": "def broken():\n    return (\n"})
    page = response.content.decode()
    assert response.status_code == 422
    assert "1 problem" in page
    assert 'code-line is-marked" data-number="2"' in page
    assert "return (" in page.split("<textarea")[1]
    with scope(cast.acme.pk):
        assert not Function.objects.exists()


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("def f(text: str) -> str:\n    return whisper(text)\n", ["line 2", "whisper"]),
        ("import pandas\ndef f() -> int:\n    return 1\n", ["line 1", "Add the package “pandas”"]),
    ],
    ids=["unknown function", "missing package"],
)
def test_what_is_missing_is_told_with_its_line(client, cast, source: str, words: list[str]) -> None:
    response = client.post(NEW, {"source": source})
    page = response.content.decode()
    assert response.status_code == 422
    assert all(word in page for word in words)


def test_a_source_that_is_too_large_is_told_and_stays_in_the_form(client, cast) -> None:
    response = client.post(NEW, {"source": SOURCE + "#" * 300_000})
    assert (response.status_code, b"larger than 256 KiB" in response.content) == (413, True)
    with scope(cast.acme.pk):
        assert not Function.objects.exists()


def test_a_name_that_is_taken_keeps_the_first_function(client, cast, shout) -> None:
    response = client.post(NEW, {"source": SOURCE})
    assert (response.status_code, b"There is a function" in response.content) == (409, True)
    with scope(cast.acme.pk):
        assert Function.objects.count() == 1
        assert FunctionVersion.objects.count() == 1


@pytest.mark.parametrize("name", ["https://x.example/a.whl", "git+https://x.example/a", "../a", "-i https://x.example"])
def test_packages_from_elsewhere_than_the_index_are_refused(client, cast, name: str) -> None:
    response = client.post(NEW, {"source": SOURCE, "requirements": name})
    assert response.status_code == 422
    with scope(cast.acme.pk):
        assert not Function.objects.exists()
        assert not PackageSet.objects.exists()


def test_a_function_that_keeps_its_box_says_so_and_stays_so_until_it_is_unticked(client, cast) -> None:
    url = client.post(NEW, {"source": SOURCE, "keeps_box": "on"}).headers["Location"]
    assert "kept between runs" in client.get(url).content.decode()
    assert 'name="keeps_box"' in (page := client.get(f"{url}edit").content.decode())
    assert "checked" in page.partition('name="keeps_box"')[2].partition(">")[0]
    client.post(f"{url}edit", {"source": f"{SOURCE}#", "keeps_box": "on"})
    assert "kept between runs" in client.get(url).content.decode()
    client.post(f"{url}edit", {"source": f"{SOURCE}#"})
    assert "one for each run" in client.get(url).content.decode()
    with scope(cast.acme.pk):
        kept = FunctionVersion.objects.order_by("number").values_list("isolation", flat=True)
        assert list(kept) == ["function", "function", "run"]


def test_imports_that_take_long_are_said_and_done_beforehand_with_one_click(client, cast) -> None:
    url = client.post(NEW, {"source": SOURCE, "limit_wall_seconds": "2 min"}).headers["Location"]
    with scope(cast.acme.pk):
        version = FunctionVersion.objects.select_related("function").get()
        for _ in range(3):
            run = make_run(cast.developer, version, state="succeeded", seconds=1.0)
            Span.objects.create(run=run, attempt=1, key="1", function_name=LOADING, seconds=0.8)
    page = client.get(url).content.decode()
    assert "(80 %) are spent before its first line" in page
    assert f'name="version" value="{version.pk}"' in page
    done = client.post(f"{url}imports-first", {"version": version.pk}, follow=True).content.decode()
    assert "Version 2 does its imports beforehand." in done
    assert "are spent before its first line" not in done
    with scope(cast.acme.pk):
        second = FunctionVersion.objects.get(number=2)
        assert (second.imports_first, second.source, second.limits) == (True, version.source, version.limits)
    assert "checked" in client.get(f"{url}edit").content.decode().partition('name="imports_first"')[2].partition(">")[0]
    client.post(f"{url}edit", {"source": SOURCE})
    with scope(cast.acme.pk):
        assert not FunctionVersion.objects.get(number=3).imports_first


def test_one_click_for_imports_is_about_the_version_that_was_shown_and_takes_no_authorship_of_it(client, cast) -> None:
    url = client.post(NEW, {"source": SOURCE}).headers["Location"]
    with scope(cast.acme.pk):
        shown = FunctionVersion.objects.select_related("function").get()
        program = copy(cast.developer)
        program.is_token = True
        written = save_version(actor=program, function=shown.function, source=f"{SOURCE}# by a program")
    refused = client.post(f"{url}imports-first", {"version": shown.pk})
    assert refused.status_code == 422
    assert "Another version has become active meanwhile" in refused.content.decode()
    client.post(f"{url}imports-first", {"version": written.pk})
    with scope(cast.acme.pk):
        last = FunctionVersion.objects.get(number=3)
        assert (last.imports_first, last.source, last.origin) == (True, written.source, "token")


def test_limits_are_written_as_people_write_them(client, cast) -> None:
    response = client.post(NEW, {"source": SOURCE, "limit_memory_bytes": "512 MiB", "limit_wall_seconds": "2 min"})
    with scope(cast.acme.pk):
        version = FunctionVersion.objects.get()
        assert version.limits == {"memory_bytes": 512 << 20, "wall_seconds": 120}
    page = client.get(response.headers["Location"]).content.decode()
    assert "<dt>Memory</dt><dd>512 MiB</dd>" in page
    assert "<dt>Processor cores</dt><dd>1 core</dd>" in page
    edit = client.get(f"{response.headers['Location']}edit").content.decode()
    assert 'value="512 MiB"' in edit
    assert 'placeholder="64"' in edit


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("memory_bytes", "512", "Write it like 256 MiB."),
        ("memory_bytes", "2 GiB", "may be at most 1 GiB in this workspace. An admin or owner may raise that"),
        ("memory_bytes", "9 GiB", "must be from 64 MiB to 8 GiB."),
        ("output_bytes", "11 MiB", "must be from 1 KiB to 10 MiB."),
        ("processes", "many", "Write it like 64."),
    ],
)
def test_a_limit_that_cannot_be_is_told_at_its_field_and_nothing_is_kept(client, cast, name, text, words) -> None:
    response = client.post(NEW, {"source": SOURCE, f"limit_{name}": text})
    page = response.content.decode()
    assert response.status_code == 422
    assert words in page
    assert f'value="{text}"' in page
    assert '<details class="disclosure" id="limits" open>' in page
    with scope(cast.acme.pk):
        assert not Function.objects.exists()


def test_an_emptied_limit_is_the_usual_one_again(client, cast) -> None:
    url = client.post(NEW, {"source": SOURCE, "limit_wall_seconds": "9 s"}).headers["Location"]
    assert client.post(f"{url}edit", {"source": SOURCE, "limit_wall_seconds": ""}).status_code == 302
    with scope(cast.acme.pk):
        assert FunctionVersion.objects.get(number=2).limits == {}


def test_an_edit_makes_a_version_and_keeps_the_limits(client, cast, shout) -> None:
    with scope(cast.acme.pk):
        function = shout.function
        limited = FunctionVersion(
            function=function, number=2, source=SOURCE, entry="shout", input_schema=shout.input_schema, output_schema={},
            limits={"wall_seconds": 7}, retry_class="never", origin="person", author_name="developer",
        )  # fmt: skip
        limited.digest = limited.compute_digest()
        limited.save()
        Function.objects.filter(pk=function.pk).update(active_version=limited)
    url = f"/w/acme/functions/{function.pk}/"
    form = client.get(f"{url}edit").content.decode()
    assert "return text.upper() * times" in form
    assert client.post(f"{url}edit", {"source": SOURCE.replace("upper", "title"), "description": "New."}).status_code == 302
    with scope(cast.acme.pk):
        newest = FunctionVersion.objects.get(number=3)
        assert (newest.limits, newest.retry_class) == ({"wall_seconds": 7}, "never")
        assert Function.objects.get(pk=function.pk).description == "New."


def test_pages_say_that_a_program_wrote_a_version(client, cast) -> None:
    with scope(cast.acme.pk):
        version = make_function(cast.developer, origin="token")
    assert "a program, with a token of" in client.get(f"/w/acme/functions/{version.function_id}/").content.decode()
    assert "</svg>token</span>" in client.get("/w/acme/functions/").content.decode()


def test_a_run_starts_from_the_form_with_its_files(client, cast, shout) -> None:
    notes = SimpleUploadedFile("notes.txt", b"hello")
    data = {"version": str(shout.pk), "argument-text": "hey", "argument-times": "3", "files": [notes]}
    response = client.post(f"/w/acme/functions/{shout.function_id}/run", data)
    with scope(cast.acme.pk):
        run = Run.objects.get()
        assert (run.arguments, run.version_id, run.state) == ({"text": "hey", "times": 3}, shout.pk, "queued")
        assert RunInput.objects.get(run=run).artifact.name == "notes.txt"
    assert response.headers["Location"] == f"/w/acme/runs/{run.pk}/"


def test_arguments_that_do_not_fit_are_told_at_their_field(client, cast, shout) -> None:
    notes = SimpleUploadedFile("notes.txt", b"hello")
    data = {"version": str(shout.pk), "argument-text": "hey", "argument-times": "often", "files": [notes]}
    response = client.post(f"/w/acme/functions/{shout.function_id}/run", data)
    page = response.content.decode()
    assert response.status_code == 422
    assert 'id="argument-times-error">This must be a whole number.' in page
    assert ">hey</textarea>" in page
    with scope(cast.acme.pk):
        assert not Run.objects.exists()
        assert not Artifact.objects.exists()


def test_another_functions_version_does_not_run_under_this_address(client, cast, shout) -> None:
    with scope(cast.acme.pk):
        other = make_function(cast.developer, "whisper")
    response = client.post(f"/w/acme/functions/{shout.function_id}/run", {"version": str(other.pk), "argument-text": "x"})
    assert response.status_code == 404


@pytest.mark.parametrize("version", ["2", "0", "x", "-1", "9" * 30])
def test_a_version_that_does_not_exist_is_not_found(client, shout, version: str) -> None:
    assert client.get(f"/w/acme/functions/{shout.function_id}/?version={version}").status_code == 404


def test_an_older_version_can_be_looked_at(client, shout) -> None:
    assert b"def" in client.get(f"/w/acme/functions/{shout.function_id}/?version=1").content


def test_a_viewer_sees_the_source_and_no_form(cast, shout, sign_in) -> None:
    page = sign_in(cast.viewer).get(f"/w/acme/functions/{shout.function_id}/").content.decode()
    assert "upper" in page
    assert "argument-text" not in page
