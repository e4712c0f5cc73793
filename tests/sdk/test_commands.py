"""The program `selfsmith` without a terminal: what it prints, what it keeps, and its exit codes."""

import json
import stat
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from apps.core.tenancy import scope
from selfsmith.cli import main
from tests.dashboard.conftest import make_function, make_run, make_things
from tests.sdk.conftest import Command, Side, told

SHOUT = "import selfsmith\n\n@selfsmith.register_function\ndef shout(text: str) -> str:\n    return text.upper()\n"


def lines(text: str) -> list[Any]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
def things(cast: Any) -> Any:
    with scope(cast.acme.pk):
        cast.developer.role, role = "admin", cast.developer.role
        made = make_things(cast.developer)
        cast.developer.role = role
    return made


def test_a_sign_in_is_tried_kept_for_its_owner_alone_and_forgotten(side: Side, cast: Any, own_account: Path) -> None:
    token = side.token(cast.developer)
    result = CliRunner().invoke(main, ["login", side.url, "--token-stdin"], input=f"{token}\n")
    assert result.exit_code == 0, result.output
    assert "acme" in result.output
    assert token not in result.output
    assert stat.S_IMODE(own_account.stat().st_mode) == 0o600
    who = CliRunner().invoke(main, ["whoami"])
    assert who.stdout == f"developer (developer) in acme at {side.url}\n"
    assert json.loads(CliRunner().invoke(main, ["whoami", "--json"]).stdout)["username"] == "developer"
    assert CliRunner().invoke(main, ["logout"]).exit_code == 0
    assert CliRunner().invoke(main, ["whoami"]).exit_code == 3


def test_a_token_that_opens_nothing_is_not_kept(side: Side, cast: Any, own_account: Path) -> None:
    result = CliRunner().invoke(main, ["login", side.url, "--token-stdin"], input="sst_no-such-token\n")
    assert result.exit_code == 3
    assert not own_account.exists()


def test_without_anybody_to_ask_the_token_comes_by_the_input(side: Side, cast: Any) -> None:
    result = CliRunner().invoke(main, ["login", side.url])
    assert result.exit_code == 2
    assert "--token-stdin" in result.output


def test_what_cannot_be_reached_has_an_exit_code_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("selfsmith.transport.Retries.pause", lambda self, attempt: 0.0)
    environment = {"SELFSMITH_URL": "http://127.0.0.1:9", "SELFSMITH_TOKEN": "sst_any"}
    result = CliRunner().invoke(main, ["runs"], env=environment)
    assert (result.exit_code, result.stdout) == (4, "")
    assert "http://127.0.0.1:9 cannot be reached" in result.stderr
    failure = json.loads(CliRunner().invoke(main, ["runs", "--json"], env=environment).stderr)
    assert failure["error"] == "unreachable"


@pytest.mark.parametrize(
    "words",
    [
        ["no-such-command"],
        ["run"],
        ["run", "shout", "--arg", "text"],
        ["run", "shout", "--json-args", "[1]"],
        ["push", "no-such-file.py", "--yes"],
        ["runs", "--limit", "0"],
    ],
    ids=" ".join,
)
def test_what_cannot_be_understood_has_an_exit_code_of_its_own(words: list[str], command: Command, cast: Any) -> None:
    with scope(cast.acme.pk):
        make_function(cast.developer)
    assert command(*words).exit_code == 2


def test_a_refusal_is_told_in_words_or_as_json(command: Command) -> None:
    result = command("run", "shout")
    assert (result.exit_code, result.stdout) == (3, "")
    assert "There is no function shout here." in result.stderr
    failure = json.loads(command("run", "shout", "--json").stderr)
    assert (failure["error"], failure["message"]) == ("no_such_function", "There is no function shout here.")


def test_push_shows_and_asks_and_pull_brings_back(command: Command, tmp_path: Path) -> None:
    (tmp_path / "shout.py").write_text(SHOUT)
    asked = command("push", str(tmp_path / "shout.py"))
    assert asked.exit_code == 2
    assert "new        shout (shout.py, line 4)" in asked.stdout
    assert "--yes" in asked.stderr
    assert told(command("push", str(tmp_path / "shout.py"), "--yes", "--json"))["pack"]["loaded"][0]["change"] == "new"
    again = command("push", str(tmp_path / "shout.py"))
    assert again.exit_code == 0
    assert "Nothing to do" in again.stderr
    pulled = command("pull", str(tmp_path / "tree"))
    assert (pulled.exit_code, pulled.stdout) == (0, "new        shout\n")
    (tmp_path / "tree" / "shout.py").write_text((tmp_path / "tree" / "shout.py").read_text().replace("upper", "lower"))
    shown = command("push", str(tmp_path / "tree"), "--dry-run")
    assert "+    return text.lower()" in shown.stdout
    changed = command("push", str(tmp_path / "tree"), "--yes", "--note", "Softer.")
    assert changed.exit_code == 0, changed.output
    assert "Pushed 1 function." in changed.stderr
    assert lines(command("functions", "--json").stdout)[0]["version"] == 2


def test_a_push_of_which_a_part_is_refused_says_so_by_its_exit_code(command: Command, tmp_path: Path) -> None:
    (tmp_path / "both.py").write_text(SHOUT + "\n@selfsmith.register_function\ndef broken(): return not_there()\n")
    result = command("push", str(tmp_path / "both.py"), "--yes")
    assert result.exit_code == 3
    assert "both.py, line 8: broken" in result.stderr
    assert [each["name"] for each in lines(command("functions", "--json").stdout)] == ["shout"]


def test_a_push_tells_that_people_have_to_decide_and_where(command: Command, side: Side, cast: Any, tmp_path: Path) -> None:
    with side.client(cast.admin) as admin:
        admin.secrets.set("API_KEY", "as long as needed")
    (tmp_path / "needy.py").write_text(SHOUT.replace("register_function", "register_function(secrets=['API_KEY'])"))
    result = command("push", str(tmp_path / "needy.py"), "--yes")
    assert result.exit_code == 0, result.output
    assert f"wait for people: 1. What needs them runs once they have decided: {side.url}/w/acme/approvals/" in result.stderr
    assert len(lines(command("approvals", "list", "--json").stdout)) == 1


def test_packs_are_looked_at_and_loaded(command: Command, tmp_path: Path) -> None:
    (tmp_path / "shout.py").write_text(SHOUT)
    assert told(command("packs", "look", str(tmp_path), "--json"))["pack"]["loaded"][0]["name"] == "shout"
    assert command("functions").stderr.startswith("There is none.")
    assert command("packs", "load", str(tmp_path)).exit_code == 0
    assert "shout" in command("functions").stdout


def test_a_run_that_is_only_begun_is_told_by_its_id(command: Command, cast: Any) -> None:
    with scope(cast.acme.pk):
        make_function(cast.developer)
    begun = command("run", "shout", "--arg", "text=01", "--no-wait")
    assert begun.exit_code == 0, begun.output
    (row,) = lines(command("runs", "--json").stdout)
    assert (begun.stdout.strip(), row["state"]) == (row["id"], "queued")
    waited = command("run", "shout", "--arg", "text=01", "--timeout", "0")
    assert waited.exit_code == 5
    assert "It goes on" in waited.stderr
    assert command("cancel", row["id"]).stdout == f"{row['id']} is cancelled.\n"
    assert command("logs", "-f", row["id"]).exit_code == 0


def test_logs_are_text_or_lines_of_json(command: Command, cast: Any) -> None:
    with scope(cast.acme.pk):
        run = make_run(cast.developer, make_function(cast.developer))
    assert command("logs", str(run.pk), by=cast.viewer).stdout == f"said in {run.short_id}\n"
    assert [piece["seq"] for piece in lines(command("logs", str(run.pk), "--json").stdout)] == [1]


def test_a_viewer_may_look_and_nothing_else(command: Command, cast: Any, things: Any, tmp_path: Path) -> None:
    (tmp_path / "shout.py").write_text(SHOUT)
    for words in (["runs"], ["functions"], ["approvals", "list"], ["secrets", "list"], ["whoami"]):
        assert command(*words, by=cast.viewer).exit_code == 0
    for words in (["push", str(tmp_path), "--yes"], ["run", "shout", "--arg", "text=a"], ["cancel", str(things.run.pk)]):
        assert command(*words, by=cast.viewer).exit_code == 3


@pytest.mark.parametrize("verb", ["approve", "reject"])
def test_a_vote_is_refused_with_the_page_where_a_person_decides(
    command: Command, cast: Any, things: Any, side: Side, verb: str
) -> None:
    result = command("approvals", verb, str(things.request.pk), "--yes", by=cast.approver)
    assert result.exit_code == 3
    assert f"{side.url}/w/acme/approvals/{things.request.pk}/" in result.stderr
    assert command("approvals", verb, str(things.request.pk), by=cast.approver).exit_code == 2


def test_a_request_is_shown_with_what_exactly_is_asked_for(command: Command, things: Any) -> None:
    shown = command("approvals", "show", str(things.request.pk)).stdout
    assert things.request.digest in shown
    assert told(command("approvals", "show", str(things.request.pk), "--json"))["subject"] == things.request.subject


def test_a_secret_comes_by_the_input_and_is_printed_nowhere(command: Command, cast: Any) -> None:
    assert command("secrets", "set", "API_KEY", by=cast.admin).exit_code == 2
    kept = command("secrets", "set", "API_KEY", "--stdin", by=cast.admin, text="as long as needed\n")
    assert kept.exit_code == 0, kept.output
    assert "as long" not in kept.output
    assert "API_KEY" in command("secrets", "list").stdout
    assert command("secrets", "set", "API_KEY", "--stdin", text="as long as needed\n").exit_code == 3


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_complete_it(shell: str) -> None:
    assert "_SELFSMITH_COMPLETE" in CliRunner().invoke(main, ["completion", shell]).stdout


def test_every_command_has_json_and_a_sentence() -> None:
    def leaves(group: Any, *words: str) -> Any:
        for name, command in group.commands.items():
            yield from leaves(command, *words, name) if hasattr(command, "commands") else [((*words, name), command)]

    found = dict(leaves(main))
    assert len(found) > 15
    without = {words for words, command in found.items() if not any("--json" in option.opts for option in command.params)}
    assert without == {("completion",)}
    assert [words for words, command in found.items() if not command.help] == []


@pytest.fixture
def somebody_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """A person at the terminal, whose answers are the input."""
    for module in ("account", "deciding", "library", "running"):
        monkeypatch.setattr(f"selfsmith.cli.{module}.is_interactive", lambda: True)


def test_a_person_is_asked_for_the_token_which_is_not_shown(
    side: Side, cast: Any, own_account: Path, somebody_there: None
) -> None:
    token = side.token(cast.developer)
    result = CliRunner().invoke(main, ["login", side.url], input=f"{token}\n")
    assert result.exit_code == 0, result.output
    assert f"Make a token at {side.url}/" in result.stderr
    assert token not in result.output
    assert own_account.exists()


def test_a_person_is_asked_before_anything_is_pushed(command: Command, tmp_path: Path, somebody_there: None) -> None:
    (tmp_path / "shout.py").write_text(SHOUT)
    refused = command("push", str(tmp_path / "shout.py"), text="n\n")
    assert (refused.exit_code, command("functions").stdout) == (0, "")
    assert "No: nothing was done." in refused.stderr
    assert command("push", str(tmp_path / "shout.py"), text="y\n").exit_code == 0
    assert "shout" in command("functions").stdout


def test_a_person_is_asked_twice_for_a_secret_which_is_not_shown(command: Command, cast: Any, somebody_there: None) -> None:
    kept = command("secrets", "set", "API_KEY", by=cast.admin, text="as long as needed\nas long as needed\n")
    assert kept.exit_code == 0, kept.output
    assert "as long" not in kept.output


def test_who_interrupts_a_run_is_asked_whether_to_cancel_it(
    command: Command, cast: Any, somebody_there: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with scope(cast.acme.pk):
        make_function(cast.developer)

    def interrupted(*given: Any, **named: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr("selfsmith.nouns.runs.Runs.follow", interrupted)
    for answer, state in (("n\n", "queued"), ("y\n", "cancelled")):
        result = command("run", "shout", "--arg", "text=a", text=answer)
        assert result.exit_code == 130
        assert lines(command("runs", "--json", "--limit", "1").stdout)[0]["state"] == state
