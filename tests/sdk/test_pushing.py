"""Pushing and pulling: what was pulled changes nothing, and nobody's change is lost unseen."""

import json
from pathlib import Path
from typing import Any

import pytest

import selfsmith
from selfsmith import CannotBePushed, Client
from selfsmith.definition import Definition
from selfsmith.pushing import push_files
from selfsmith.tree import Memory, Step, carry_out, plan, pull
from tests.sdk.conftest import Command, told

SHOUT = "def shout(text: str) -> str:\n    return text.upper()\n"
ODD = '''"""A module with more than one function."""

import dataclasses
from datetime import date  # noqa


@dataclasses.dataclass
class Point:
    x: int = 1

\t
def _help(): return "gr\u00fc\u00df \u4f60\\n"


async def odd(*rows: int, when: date = date(2026, 1, 2), **more: str) -> list:
    """What it is."""
    return [_help()]'''
PLAIN = """
import selfsmith

@selfsmith.register_function(metadata={"tags": ["text"]})
def whisper(text: str) -> str:
    return text.lower()

@selfsmith.register_function(dependencies=["whisper"])
def softly(text: str) -> str:
    return whisper(text) + "."
"""
PACK = PLAIN.replace('["whisper"])', '["whisper"], triggers=["whisper"])')


@pytest.fixture
def library(client: Client) -> Client:
    """Functions with everything that can be said of one."""
    said: dict[str, Any] = {"limits": {"memory_bytes": 300 << 20}, "logging": {"level": "warning"}}
    client.functions.create(SHOUT, description="Loud.", tags=["text", "voice"], **said)
    client.functions.create("def loudest(text: str) -> str:\n    return shout(text) + '!'\n", dependencies=["shout@1"])
    client.functions.create(ODD, name="odd", retry_class="on_error", retry={"max_attempts": 3})
    client.functions.create("def fetch() -> None: ...", hosts=["example.com:8443"], isolation="function", imports_first=True)
    return client


def changes(steps: Any) -> dict[str, str]:
    return {step.name: step.change for step in steps}


def push(client: Client, folder: Path, *, force: bool = False) -> dict[str, Step]:
    memory = Memory.read(folder, client)
    planned = plan(client, memory, sorted(folder.glob("*.py")), force=force)
    return {step.name: step for step in carry_out(client, memory, planned)}


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def versions(client: Client) -> dict[str, int | None]:
    return {each.name: each.version for each in client.functions.list()}


def test_pushing_what_was_pulled_changes_nothing(library: Client, tmp_path: Path) -> None:
    before = versions(library)
    assert set(changes(pull(library, tmp_path)).values()) == {"new"}
    assert set(changes(push(library, tmp_path).values()).values()) == {"none"}
    assert versions(library) == before
    assert set(changes(pull(library, tmp_path)).values()) == {"none"}


def test_pulling_twice_gives_the_same_bytes(library: Client, tmp_path: Path) -> None:
    list(pull(library, tmp_path / "one"))
    list(pull(library, tmp_path / "two"))
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert (tmp_path / "one" / "shout.py").read_text() == SHOUT
    assert json.loads((tmp_path / "one" / "loudest.json").read_text())["dependencies"] == ["shout@1"]


def test_a_pulled_library_can_be_pushed_into_an_empty_one_and_is_the_same_there(
    library: Client, tmp_path: Path, side: Any, cast: Any
) -> None:
    list(pull(library, tmp_path))
    with side.client(cast.stranger) as other:
        done = push(other, tmp_path)
        assert changes(done.values()) == dict.fromkeys(["shout", "loudest", "odd", "fetch"], "new"), done
        list(pull(other, tmp_path / "there"))
    pairs = {path.name for path in tmp_path.glob("*.py")}
    for name in pairs:
        assert Definition.read(tmp_path / name) == Definition.read(tmp_path / "there" / name)


def test_a_change_here_becomes_a_version_and_only_that(library: Client, tmp_path: Path) -> None:
    list(pull(library, tmp_path))
    (tmp_path / "shout.py").write_text(SHOUT.replace("upper", "title"))
    done = push(library, tmp_path)
    assert changes(done.values()) == {"shout": "changed", "loudest": "none", "odd": "none", "fetch": "none"}
    assert "+    return text.title()" in plan_diff(library, tmp_path, "shout", "swapcase")
    kept = library.functions.get("shout")
    assert (kept.version, kept.description, kept.limits, kept.tags) == (
        2,
        "Loud.",
        {"memory_bytes": 300 << 20},
        ["text", "voice"],
    )
    assert library.versions.get("shout", 2).source == SHOUT.replace("upper", "title")


def plan_diff(client: Client, folder: Path, name: str, word: str) -> str:
    """What a plan would show, seen from the version before."""
    path = folder / f"{name}.py"
    now = path.read_text()
    path.write_text(now.replace("title", word))
    (planned,) = plan(client, Memory.read(folder, client), [path])
    path.write_text(now)
    return planned.step.diff.replace(word, "title").replace("-    return text.title()", "")


def test_settings_are_pushed_too(library: Client, tmp_path: Path) -> None:
    list(pull(library, tmp_path))
    said = json.loads((tmp_path / "shout.json").read_text())
    (tmp_path / "shout.json").write_text(json.dumps({**said, "description": "Louder.", "tags": ["b", "a"]}))
    (tmp_path / "odd.json").write_text("{}")
    (tmp_path / "loudest.json").write_text("{}")
    done = push(library, tmp_path)
    assert changes(done.values()) == {"shout": "changed", "loudest": "changed", "odd": "changed", "fetch": "none"}
    shout, odd, loudest = (library.functions.get(name) for name in ("shout", "odd", "loudest"))
    assert (shout.version, shout.description, shout.tags) == (1, "Louder.", ["a", "b"])
    assert loudest.pins == {}
    assert set(changes(push(library, tmp_path).values()).values()) == {"none"}
    assert (odd.version, odd.description, odd.retry_class, odd.retry) == (1, "", "on_error", {"max_attempts": 3})


def test_settings_that_are_as_usual_need_not_be_said(client: Client, tmp_path: Path) -> None:
    client.functions.create(SHOUT)
    (tmp_path / "shout.py").write_text(SHOUT)
    (tmp_path / "shout.json").write_text("{}")
    assert changes(push(client, tmp_path).values()) == changes(pull(client, tmp_path)) == {"shout": "none"}
    assert json.loads((tmp_path / "shout.json").read_text()) == {"retry_class": "on_lost"}
    assert changes(push(client, tmp_path).values()) == {"shout": "none"}


def test_a_change_there_is_told_and_not_overwritten(library: Client, tmp_path: Path) -> None:
    list(pull(library, tmp_path))
    (tmp_path / "shout.py").write_text(SHOUT.replace("upper", "title"))
    library.versions.write("shout", SHOUT.replace("upper", "lower"), based_on=1)
    refused = push(library, tmp_path)["shout"]
    assert refused.change == "refused"
    assert "Somebody changed it" in refused.reason
    assert library.functions.get("shout").version == 2
    assert changes(pull(library, tmp_path))["shout"] == "kept"
    assert "title" in (tmp_path / "shout.py").read_text()
    assert push(library, tmp_path, force=True)["shout"].change == "changed"
    assert "title" in library.versions.get("shout", 3).source


def test_a_change_there_alone_is_pulled_and_never_pushed_back(library: Client, tmp_path: Path) -> None:
    list(pull(library, tmp_path))
    library.versions.write("shout", SHOUT.replace("upper", "lower"), based_on=1)
    assert push(library, tmp_path)["shout"].change == "kept"
    assert library.functions.get("shout").version == 2
    assert changes(pull(library, tmp_path))["shout"] == "changed"
    assert "lower" in (tmp_path / "shout.py").read_text()


def test_functions_that_call_each_other_are_made_in_an_order_that_works(client: Client, tmp_path: Path) -> None:
    for name, source in {"a": "def a(): return b()", "b": "def b(): return c()", "c": "def c(): ..."}.items():
        Definition(name, source).write(tmp_path)
    assert set(changes(push(client, tmp_path).values()).values()) == {"new"}


def test_one_refusal_leaves_the_others_alone(client: Client, tmp_path: Path) -> None:
    Definition("good", "def good(): ...").write(tmp_path)
    Definition("bad", "def bad(:").write(tmp_path)
    Definition("needy", "def needy(): return nowhere_to_be_found()").write(tmp_path)
    done = push(client, tmp_path)
    assert changes(done.values()) == {"good": "new", "bad": "refused", "needy": "refused"}
    assert "nowhere_to_be_found" in done["needy"].reason


def test_what_is_gone_from_the_library_is_removed_only_when_that_is_asked(library: Client, tmp_path: Path) -> None:
    list(pull(library, tmp_path))
    (tmp_path / "odd.py").write_text("# changed here\n")
    for name in ("fetch", "odd"):
        library.functions.archive(name)
    assert changes(pull(library, tmp_path)) == {"shout": "none", "loudest": "none", "fetch": "kept", "odd": "kept"}
    assert changes(pull(library, tmp_path, prune=True)) == {"shout": "none", "loudest": "none", "fetch": "gone", "odd": "kept"}
    assert not (tmp_path / "fetch.py").exists()
    assert (tmp_path / "odd.py").exists()


def test_a_file_of_ones_own_is_not_overwritten_by_a_pull(library: Client, tmp_path: Path) -> None:
    (tmp_path / "shout.py").write_text("mine = 1\n")
    assert changes(pull(library, tmp_path))["shout"] == "kept"
    assert (tmp_path / "shout.py").read_text() == "mine = 1\n"


@pytest.mark.parametrize("text", ["[]", "{", '{"sauce": 1}', '{"tags": "text"}', '{"limits": []}', '{"imports_first": 1}'])
def test_settings_that_do_not_fit_are_told(text: str, tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("def a(): ...")
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(CannotBePushed):
        Definition.read(tmp_path / "a.py")


def test_pack_files_are_pushed_and_a_second_time_nothing_happens(client: Client, tmp_path: Path, command: Command) -> None:
    (tmp_path / "soft.py").write_text(PLAIN)
    looked = told(command("push", str(tmp_path), "--dry-run", "--json"))
    assert [each["change"] for each in looked["pack"]["loaded"]] == ["new", "new"]
    assert list(client.functions.list()) == []
    done = told(command("push", str(tmp_path / "soft.py"), "--yes", "--json"))
    assert (done["pack"]["refused"], done["pack"]["state"]) == ([], "installed")
    assert {each.name for each in client.functions.list()} == {"whisper", "softly"}
    assert not push_files(client, {"soft.py": PLAIN}).changes


def test_triggers_wait_for_people_with_all_that_was_pushed(client: Client, tmp_path: Path, command: Command) -> None:
    (tmp_path / "soft.py").write_text(PACK)
    for _ in range(2):
        done = told(command("push", str(tmp_path / "soft.py"), "--yes", "--json"))
        assert (done["pack"]["asks"], done["pack"]["state"]) == (True, "awaiting_approval")
        assert [rule["event_type"] for rule in done["pack"]["rules"]] == ["run.succeeded"]
    assert "waits for people to agree" in command("push", str(tmp_path / "soft.py"), "--yes").stderr
    assert list(client.functions.list()) == []
    assert len(list(client.approvals.list(state="open"))) == 1


def test_the_module_pushes_what_it_has_marked_and_loads_by_path(client: Client, tmp_path: Path) -> None:
    selfsmith.use(client)
    (tmp_path / "packs").mkdir()
    (tmp_path / "packs" / "soft.py").write_text(PLAIN)
    (tmp_path / "packs" / "notes.py").write_text("nothing = 1\n")
    loaded = selfsmith.load_functions(str(tmp_path / "packs"))
    assert [each.name for each in loaded.loaded] == ["whisper", "softly"]
    with pytest.raises(CannotBePushed, match="no-such-pack"):
        selfsmith.load_functions("no-such-pack")
    exec(compile(PLAIN, str(tmp_path / "packs" / "soft.py"), "exec"), {})
    assert [each.change for each in selfsmith.push().loaded] == ["none", "none"]
