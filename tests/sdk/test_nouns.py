"""Each noun of the client against a live server, and the whole of the module's seed spellings."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

import selfsmith
from apps.core.tenancy import scope
from apps.vault.models import Secret
from selfsmith import Client, Conflict, Forbidden, Invalid, NotFound, NotSignedIn
from tests.dashboard.conftest import make_things
from tests.sdk.conftest import Side

SHOUT = 'def shout(text: str, times: int = 1) -> str:\n    """Says it loudly."""\n    return text.upper() * times\n'


@pytest.fixture
def things(cast: Any) -> SimpleNamespace:
    """One of everything in acme."""
    with scope(cast.acme.pk):
        cast.developer.role, role = "admin", cast.developer.role
        made = make_things(cast.developer)
        cast.developer.role = role
    return made


def test_every_noun_reads_what_the_platform_answers(things: SimpleNamespace, client: Client) -> None:
    assert client.me().permissions == ["develop", "propose", "run", "view"]
    assert (client.me().username, client.me().workspace, client.me().role) == ("developer", "acme", "developer")
    assert [each.name for each in client.functions.list(search="loud")] == ["greet_greetings", "shout"]
    assert client.functions.get("shout").version == 1
    assert [each.number for each in client.versions.list("shout")] == [1]
    assert client.versions.get("shout", 1).source.startswith("def shout")
    assert things.run.pk in {run.id for run in client.runs.list()}
    assert client.runs.get(things.run.pk).function == "shout"
    assert [piece.text for piece in client.runs.log(things.run.pk)] == [f"said in {things.run.short_id}\n"]
    assert things.event.pk in {event.id for event in client.events.list()}
    assert client.events.get(things.event.pk).type == things.event.type
    assert client.rules.get(things.rule.pk) == next(client.rules.list(name=things.rule.name))
    assert {each.rule for each in client.rules.deliveries(things.rule.pk)} == {things.rule.pk}
    assert client.schedules.get(things.schedule.pk).next
    assert [each.name for each in client.store.collections()] == [things.collection.name]
    assert client.store.get(things.collection.name, things.document.key).value == things.document.value
    assert [each.key for each in client.store.find(things.collection.name)] == [things.document.key]
    assert client.approvals.get(things.request.pk).subject == things.request.subject
    assert client.tasks.get(things.task.pk).prompt == "Do it."
    assert client.packages.get(things.package_set.pk).state == things.package_set.state
    assert things.artifact.name == client.files.get(things.artifact.pk).name


def test_a_function_is_written_described_changed_rolled_back_and_archived(client: Client) -> None:
    made = client.functions.create(SHOUT, tags=["text"])
    assert (made.name, made.description, made.version) == ("shout", "Says it loudly.", 1)
    assert client.functions.describe("shout", description="Loud.", tags=["voice"]).tags == ["voice"]
    saved = client.versions.write("shout", SHOUT.replace("upper", "title"), based_on=1, note="Softer.", activate=False)
    assert (saved.number, saved.state, saved.note) == (2, "draft", "Softer.")
    assert "+    return text.title()" in client.versions.difference("shout").source
    assert client.versions.activate("shout", 2, instead_of=1).version == 2
    with pytest.raises(Conflict):
        client.versions.activate("shout", 1, instead_of=1)
    assert client.versions.roll_back("shout", 1).version == 1
    assert client.functions.archive("shout").archived_at is not None
    assert list(client.functions.list()) == []
    assert client.functions.unarchive("shout").archived_at is None


def test_one_key_begins_one_run_and_none_begins_one_each(client: Client) -> None:
    client.functions.create(SHOUT)
    first = client.functions.start("shout", {"text": "hi"}, idempotency_key="once")
    assert client.functions.start("shout", {"text": "hi"}, idempotency_key="once").id == first.id
    assert client.functions.start("shout", {"text": "hi"}).id != client.functions.start("shout", {"text": "hi"}).id
    assert client.runs.cancel(first.id).state == "cancelled"
    with pytest.raises(selfsmith.RunFailed, match="cancelled"):
        client.runs.result(first.id)


def test_a_wait_that_is_over_leaves_the_run_alone(client: Client) -> None:
    client.functions.create(SHOUT)
    run = client.functions.start("shout", {"text": "hi"})
    with pytest.raises(selfsmith.WaitTimedOut):
        client.runs.wait(run.id, timeout=0.2)
    assert client.runs.get(run.id).state == "queued"


def test_files_go_there_and_come_back_whole(client: Client, tmp_path: Path) -> None:
    original = tmp_path / "big.bin"
    original.write_bytes(bytes(range(256)) * 5000)
    stored = client.files.upload(original)
    heard: list[int] = []
    (tmp_path / "back").mkdir()
    back = client.files.download(stored, tmp_path / "back", came=heard.append)
    assert back == tmp_path / "back" / "big.bin"
    assert back.read_bytes() == original.read_bytes()
    assert heard[-1] == stored.size
    assert [path.name for path in back.parent.iterdir()] == ["big.bin"]


def test_a_file_that_is_another_than_was_told_is_not_kept(client: Client, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("hello")
    stored = client.files.upload(tmp_path / "a.txt")
    with pytest.raises(selfsmith.UnexpectedAnswer):
        client.files.download(stored.model_copy(update={"sha256": "0" * 64}), tmp_path / "b.txt")
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["a.txt"]


@pytest.mark.parametrize("name", ["../../evil", "/etc/passwd", "..", ".", "", "a\x1b[31m", "..\\evil"])
def test_a_files_name_leads_out_of_no_folder(client: Client, tmp_path: Path, name: str) -> None:
    (tmp_path / "a.txt").write_text("hello")
    stored = client.files.upload(tmp_path / "a.txt")
    (tmp_path / "inside").mkdir()
    assert client.files.download(stored.model_copy(update={"name": name}), tmp_path / "inside").parent == tmp_path / "inside"


def test_documents_are_not_overwritten_unseen(client: Client) -> None:
    first = client.store.put("orders", "a/b c", {"n": 1}, is_new=True)
    second = client.store.put("orders", "a/b c", {"n": 2}, seen=first.revision)
    with pytest.raises(selfsmith.Refused):
        client.store.put("orders", "a/b c", {"n": 3}, seen=first.revision)
    assert [each.value for each in client.store.find("orders", {"n": 2})] == [{"n": 2}]
    client.store.delete("orders", "a/b c", seen=second.revision)
    with pytest.raises(NotFound):
        client.store.get("orders", "a/b c")


def test_events_rules_and_schedules(client: Client) -> None:
    client.functions.create(SHOUT)
    said = {"name": "Again", "event_type": "order.paid", "target": "shout", "arguments": {"text": "event.data.text"}}
    rule = client.rules.create(**said)
    assert client.rules.by_name("Again") == rule.model_copy(update={"warning": ""})
    assert not client.rules.switch(rule.id, is_active=False).is_active
    assert client.rules.update(rule.id, **{**said, "condition": "true"}).condition == "true"
    with pytest.raises(NotFound):
        client.rules.by_name("Agai")
    told = client.events.emit("order.paid", {"text": "a"}, idempotency_key="one")
    assert client.events.emit("order.paid", {"text": "a"}, idempotency_key="one").id == told.id
    assert client.events.replay(told.id).replay_of == told.id
    client.rules.switch(rule.id, is_active=True)
    assert client.rules.fire(rule.id, {"text": "b"}).rule == rule.id
    client.rules.delete(rule.id)
    evening = client.schedules.create("evening", "0 18 * * *")
    assert not client.schedules.update(evening.id, "0 19 * * *", is_active=False).is_active
    client.schedules.delete(evening.id)
    assert list(client.schedules.list()) == []


def test_an_agent_is_given_something_to_do_and_packages_are_asked_for(things: SimpleNamespace, client: Client) -> None:
    task = client.tasks.create("Do it.", model=things.model.pk)
    assert client.tasks.cancel(task.id).state == "cancelled"
    assert client.packages.ask(["leaf"], reason="To see.").id in {each.id for each in client.packages.list()}


def test_secrets_are_set_by_those_who_may_and_never_shown(client: Client, side: Side, cast: Any) -> None:
    with pytest.raises(Forbidden):
        client.secrets.set("API_KEY", "as long as needed")
    with side.client(cast.admin) as admin:
        kept = admin.secrets.set("API_KEY", "as long as needed")
        assert "as long" not in repr(kept)
        assert admin.secrets.set("API_KEY", "another value").version == 2
        with pytest.raises(Invalid) as caught:
            admin.secrets.set("API_KEY", "short")
        assert "short" not in repr(caught.value.details)
    assert [(each.name, each.purpose) for each in client.secrets.list()] == [("API_KEY", "function")]


def test_a_token_has_no_vote(side: Side, cast: Any, things: SimpleNamespace) -> None:
    with side.client(cast.approver) as approver, pytest.raises(Forbidden) as caught:
        approver.approvals.decide(things.request.pk, "approve", digest=things.request.digest)
    assert caught.value.code == "token_cannot"


def test_another_workspaces_things_are_not_there(side: Side, cast: Any, things: SimpleNamespace) -> None:
    with side.client(cast.stranger) as stranger:
        for look in (stranger.runs.get, stranger.runs.cancel, stranger.events.get, stranger.approvals.get, stranger.tasks.get):
            with pytest.raises(NotFound):
                look(things.run.pk)
        assert list(stranger.runs.list()) == list(stranger.functions.list()) == list(stranger.secrets.list()) == []


def test_a_token_that_is_none_is_not_signed_in(side: Side, cast: Any) -> None:
    with Client(side.url, "sst_no-such-token") as nobody, pytest.raises(NotSignedIn):
        nobody.me()


def test_the_module_speaks_by_the_client_that_it_is_given(client: Client, cast: Any, side: Side) -> None:
    selfsmith.use(client)
    with pytest.raises(NotFound, match="shout"):
        selfsmith.shout(text="hi")
    with side.client(cast.admin) as admin:
        selfsmith.use(admin)
        assert selfsmith.add_key_wrapper("openai_api_key", "as long as needed").name == "openai_api_key"
    with scope(cast.acme.pk):
        assert Secret.objects.get().name == "openai_api_key"


def test_an_id_of_no_run_is_told(client: Client) -> None:
    with pytest.raises(NotFound):
        client.runs.get(UUID(int=7))
    with pytest.raises(Invalid):
        client.runs.get("no id")
