"""Functions as tools, and the forge: what a program sees and may do. Runs are ended by hand here; processes run real ones."""

import json
from types import SimpleNamespace
from typing import Any

import pytest

from apps.approvals.models import ApprovalRequest
from apps.approvals.services import cast_vote
from apps.audit.models import AuditRecord
from apps.core.tenancy import scope
from apps.functions.models import Function, FunctionVersion, Origin
from apps.functions.services import create_function
from apps.mcp import server, waiting
from apps.mcp.forge import FORGE, PREFIX
from apps.runs.models import Run
from apps.workspaces.models import ApiToken
from tests.mcp.conftest import Connect, Program
from tests.mcp.test_endpoint import session_of

SHOUT = '''
def shout(text: str, times: int = 1) -> list[str]:
    """Say it loudly.

    Args:
        text: what to say
    """
    return [text.upper()] * times
'''
WHISPER = "def whisper(text: str) -> str:\n    return text.lower()\n"


@pytest.fixture
def library(people: SimpleNamespace) -> SimpleNamespace:
    with scope(people.acme.pk):
        create_function(actor=people.developer, source=SHOUT)
    with scope(people.globex.pk):
        create_function(actor=people.stranger, source="def theirs() -> int:\n    return 1\n")
    return people


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """How runs end, at once: no worker is here. Change it before a call."""
    end: dict[str, Any] = {"state": "succeeded", "result": ["HELLO"]}

    async def wait(member: Any, run_id: Any, tell: Any) -> Run:
        await tell(0.5, "half of it")
        return await waiting.perform(member, lambda: finish(run_id))

    def finish(run_id: Any) -> Run:
        Run.objects.open().filter(pk=run_id).update(**end)
        return Run.objects.select_related("function", "version").get(pk=run_id)

    monkeypatch.setattr(server, "wait_for_run", wait)
    return end


def text_of(result: dict[str, Any]) -> str:
    return result["content"][0]["text"]


def test_a_function_is_a_tool_with_schemas_of_what_goes_in_and_comes_out(library, connect: Connect) -> None:
    tool = connect().tools()["shout"]
    assert tool["description"].startswith("Say it loudly.")
    assert list(tool["inputSchema"]["properties"]) == ["text", "times"]
    assert tool["inputSchema"]["required"] == ["text"]
    assert not [key for key in tool["inputSchema"] if key.startswith("x-")]
    assert tool["outputSchema"]["properties"]["result"] == {"type": "array", "items": {"type": "string"}}
    assert tool["annotations"]["openWorldHint"] is False


def test_a_call_gives_structure_and_the_same_as_text(library, connect: Connect, ended) -> None:
    result = connect().call("shout", text="hello")
    assert result["structuredContent"] == {"result": ["HELLO"]}
    assert json.loads(text_of(result)) == {"result": ["HELLO"]}
    assert not result.get("isError")
    assert result["_meta"]["selfsmith/run"]


def test_nothing_is_a_result_too(library, connect: Connect, ended) -> None:
    with scope(library.acme.pk):
        create_function(actor=library.developer, source="def quiet() -> None:\n    pass\n")
    ended.update(result=None)
    assert connect().call("quiet")["structuredContent"] == {"result": None}


def test_a_failed_run_is_a_result_that_a_model_can_act_on(library, connect: Connect, ended) -> None:
    error = {"type": "ValueError", "message": "no", "traceback": "Traceback: line 2"}
    ended.update(state="failed", result=None, error=error, message="ValueError: no")
    result = connect().call("shout", text="hello")
    assert result["isError"]
    assert "ValueError: no" in text_of(result)
    assert "line 2" in text_of(result)


def test_a_result_that_does_not_fit_its_schema_is_told_as_an_error(library, connect: Connect, ended) -> None:
    ended.update(result="HELLO")
    result = connect().call("shout", text="hello")
    assert result["isError"]
    assert "HELLO" in text_of(result)


@pytest.mark.parametrize("arguments", [{}, {"text": 1}, {"text": "a", "more": 1}, {"text": "a\x00"}])
def test_arguments_that_do_not_fit_are_told_and_start_nothing(library, connect: Connect, arguments) -> None:
    result = connect().call("shout", **arguments)
    assert result["isError"]
    with scope(library.acme.pk):
        assert not Run.objects.exists()


def test_half_a_letter_is_refused_and_starts_nothing(library, connect: Connect) -> None:
    params = {"name": "shout", "arguments": {"text": "\ud800"}}
    message = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})
    assert connect().send(message).status_code == 400
    with scope(library.acme.pk):
        assert not Run.objects.exists()


@pytest.mark.parametrize("name", ["theirs", "no_such_tool", "forge-no_such", "", "shout\x00", "x" * 5000])
def test_tools_of_other_workspaces_are_unknown_like_those_that_do_not_exist(library, connect: Connect, name) -> None:
    answer = connect().call(name)
    assert answer["error"]["code"] == -32602
    assert "theirs" not in connect().tools()


def test_the_list_comes_in_pages_without_gap_or_double(library, connect: Connect, monkeypatch) -> None:
    monkeypatch.setattr(server, "PAGE", 2)
    with scope(library.acme.pk):
        for name in ("beta", "alpha", "delta", "gamma"):
            create_function(actor=library.developer, source=f"def {name}() -> int:\n    return 1\n")
    names = list(connect().tools())
    assert names[len(FORGE) :] == ["alpha", "beta", "delta", "gamma", "shout"]
    assert connect().ask("tools/list", {"cursor": "not a name"})["error"]["code"] == -32602


@pytest.mark.parametrize(
    ("given", "seen", "unseen"),
    [
        ({"scopes": ["view"]}, {"forge-find_function"}, {"shout", "forge-run_tool", "forge-create_or_update_tool"}),
        ({"scopes": ["run"]}, {"shout", "forge-run_tool"}, {"forge-create_or_update_tool", "forge-request_host"}),
        ({"scopes": ["propose"]}, {"forge-create_or_update_tool", "forge-propose_promotion"}, {"shout", "forge-run_tool"}),
        ({"scopes": ["run"], "functions": ["shout"]}, {"shout", "forge-find_function"}, {"forge-run_tool", "other"}),
        ({"scopes": ["run"], "functions": ["other"]}, {"other"}, {"shout"}),
    ],
)
def test_only_what_the_token_may_is_offered_and_nothing_else_can_be_called(library, connect, given, seen, unseen) -> None:
    with scope(library.acme.pk):
        create_function(actor=library.developer, source="def other() -> int:\n    return 1\n")
    program = connect(**given)
    names = program.tools().keys()
    assert seen <= names
    assert not unseen & names
    for name in unseen:
        assert program.call(name)["error"]["code"] == -32602


def test_a_viewers_token_with_every_scope_runs_and_writes_nothing(library, connect: Connect) -> None:
    names = connect(library.viewer).tools().keys()
    assert names == {PREFIX + tool.name for tool in FORGE.values() if tool.needs == "view"}


def test_a_made_tool_is_a_draft_that_nobody_calls_before_people_agree(library, connect: Connect, ended) -> None:
    program = connect(scopes=["run", "propose"])
    made = program.call("forge-create_or_update_tool", name="whisper", description="Say it softly.", source=WHISPER)
    assert made["structuredContent"] == {"tool": "whisper", "version": 1, "state": "draft", "next": "Run it with forge-run_tool."}
    assert "whisper" not in program.tools()
    with scope(library.acme.pk):
        version = FunctionVersion.objects.get(function__name="whisper")
        assert (version.origin, version.model, version.author_id) == (Origin.AGENT, "by MCP: an agent", library.developer.user_id)
        assert version.function.active_version is None
        record = AuditRecord.objects.get(action="function.version_saved", subject_id=str(version.pk))
        assert (record.by_token, record.details["token"]) == (True, "an agent")


def test_problems_of_a_source_are_told_with_their_lines(library, connect: Connect) -> None:
    source = "def broken(a: int) -> int:\n    return a +\n"
    result = connect().call("forge-create_or_update_tool", name="broken", description="x", source=source)
    assert result["isError"]
    assert "ine 2" in text_of(result)
    with scope(library.acme.pk):
        assert not Function.objects.filter(name="broken").exists()


def test_what_never_ran_is_not_proposed(library, connect: Connect) -> None:
    program = connect()
    program.call("forge-create_or_update_tool", name="whisper", description="x", source=WHISPER)
    assert program.call("forge-propose_promotion", name="whisper", reason="It is good.")["isError"]


def propose(program: Program, ended: dict[str, Any]) -> dict[str, Any]:
    program.call("forge-create_or_update_tool", name="whisper", description="Say it softly.", source=WHISPER)
    ended.update(result="a")
    assert program.call("forge-run_tool", name="whisper", arguments={"text": "A"})["structuredContent"]["state"] == "succeeded"
    return program.call("forge-propose_promotion", name="whisper", reason="It is good.")["structuredContent"]


def vote(people: SimpleNamespace, request_id: str, decision: str = "approve") -> None:
    with scope(people.acme.pk):
        digest = ApprovalRequest.objects.get(pk=request_id).digest
        cast_vote(actor=people.approver, request_id=request_id, decision=decision, reason="Looked at it.", shown_digest=digest)


def test_a_proposed_tool_becomes_one_when_a_person_approves(library, connect: Connect, ended) -> None:
    program = connect(scopes=["run", "propose"])
    asked = propose(program, ended)
    assert (asked["kind"], asked["state"]) == ("promotion", "open")
    assert "person" in asked["next"]
    assert propose(program, ended)["request"] == asked["request"], "the same wish is asked once"
    vote(library, asked["request"])
    assert program.call("forge-request_state", request=asked["request"])["structuredContent"]["state"] == "approved"
    assert "whisper" in program.tools()
    assert program.call("whisper", text="A")["structuredContent"] == {"result": "a"}


def test_a_rejected_tool_stays_a_draft_and_the_reason_is_passed_on(library, connect: Connect, ended) -> None:
    program = connect()
    asked = propose(program, ended)
    vote(library, asked["request"], "reject")
    told = program.call("forge-request_state", request=asked["request"])["structuredContent"]
    assert (told["state"], told["reason"], told["next"]) == ("rejected", "Looked at it.", "")
    assert "whisper" not in program.tools()


def test_nobody_approves_what_was_changed_behind_their_back(library, connect: Connect, ended) -> None:
    """The draft is what was shown; a version that somebody has made active meanwhile is not replaced unseen."""
    from apps.functions.activation import activate_version
    from apps.functions.promotion import PromotionStale

    program = connect()
    asked = propose(program, ended)
    program.call("forge-create_or_update_tool", name="whisper", description="x", source=WHISPER.replace("lower", "strip"))
    with scope(library.acme.pk):
        activate_version(actor=library.developer, version=FunctionVersion.objects.get(function__name="whisper", number=2))
    with pytest.raises(PromotionStale):
        vote(library, asked["request"])


def test_what_a_program_wrote_is_not_voted_on_by_its_member(library, connect: Connect, ended) -> None:
    from apps.approvals.eligibility import AuthorCannotVote

    program = connect(library.owner)
    asked = propose(program, ended)
    with scope(library.acme.pk), pytest.raises(AuthorCannotVote):
        digest = ApprovalRequest.objects.get(pk=asked["request"]).digest
        cast_vote(actor=library.owner, request_id=asked["request"], decision="approve", reason="", shown_digest=digest)


def test_packages_hosts_and_secrets_are_asked_for_and_wait_for_people(library, connect: Connect) -> None:
    program = connect()
    packages = program.call("forge-request_package", requirements=["leaf"], reason="To see.")["structuredContent"]
    assert (packages["kind"], packages["state"]) == ("packages", "queued")
    assert program.call("forge-request_state", request=packages["request"])["structuredContent"]["for"] == ["leaf"]
    program.call("forge-create_or_update_tool", name="whisper", description="x", source=WHISPER)
    asked = program.call("forge-request_host", tool="whisper", hosts=["api.example.org"], reason="To ask.")["structuredContent"]
    assert (asked["tool"], asked["version"], asked["state"], asked["kind"]) == ("whisper", 2, "open", "capabilities")
    refused = program.call("forge-request_secret", tool="whisper", secrets=["NO_SUCH"], reason="To ask.")
    assert refused["isError"]


def test_a_repeated_request_runs_once_and_another_one_under_its_id_is_refused(library, connect: Connect, ended) -> None:
    program = connect()
    session = session_of(program)
    params = {"name": "shout", "arguments": {"text": "hello"}}
    first, again = (program.ask("tools/call", params, number="a", Mcp_Session_Id=session)["result"] for _ in range(2))
    assert first["_meta"] == again["_meta"]
    other = program.ask("tools/call", {"name": "shout", "arguments": {"text": "b"}}, number="a", Mcp_Session_Id=session)
    assert other["result"]["isError"]
    with scope(library.acme.pk):
        assert Run.objects.count() == 1


def test_a_cancellation_finds_the_run_of_its_own_session_only(library, connect: Connect, monkeypatch) -> None:
    """Whatever process it comes to: here the call is over for its process before the cancellation arrives."""

    async def give_up(member: Any, run_id: Any, tell: Any) -> Run:
        return await waiting.perform(member, lambda: Run.objects.select_related("function", "version").get(pk=run_id))

    monkeypatch.setattr(server, "wait_for_run", give_up)
    mine, theirs = connect(), connect(library.owner)
    session = session_of(mine)
    mine.ask("tools/call", {"name": "shout", "arguments": {"text": "hello"}}, number=7, Mcp_Session_Id=session)
    body = json.dumps({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 7}})

    def state() -> str:
        with scope(library.acme.pk):
            return Run.objects.get().state

    assert theirs.send(body, Mcp_Session_Id=session_of(theirs)).status_code == 202
    assert mine.send(body, Mcp_Session_Id=session_of(mine)).status_code == 202
    assert state() == "queued"
    assert mine.send(body, Mcp_Session_Id=session).status_code == 202
    assert state() == "cancelled"


def test_a_huge_schema_is_told_once_and_a_call_of_it_is_checked(library, connect: Connect, ended) -> None:
    parameters = ", ".join(f"a{number}: dict[str, list[int]] | None = None" for number in range(250))
    with scope(library.acme.pk):
        create_function(actor=library.developer, source=f"def wide({parameters}) -> str:\n    return ''\n")
    program = connect()
    assert len(program.tools()["wide"]["inputSchema"]["properties"]) == 250
    assert program.call("wide", a1={"x": ["no"]})["isError"]


def test_a_token_can_never_vote_nor_make_tokens_by_any_tool(library, connect: Connect) -> None:
    names = " ".join(connect(library.owner).tools())
    assert "vote" not in names
    assert "token" not in names
    with scope(library.acme.pk):
        assert ApiToken.objects.count() == 1
