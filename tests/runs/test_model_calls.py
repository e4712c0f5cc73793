"""Code in a box asks a language model of its workspace: by people's word, within a budget, and without any key in the box."""

import threading
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection

from apps.approvals.models import ApprovalRequest
from apps.approvals.services import cast_vote
from apps.core.tenancy import scope
from apps.functions.definition import Settings
from apps.functions.models import Function, FunctionVersion, RetryClass
from apps.functions.services import save_version
from apps.llm.errors import Failure, ModelUnavailable
from apps.llm.models import Kind
from apps.llm.script import read_script
from apps.llm.scripted_server import ScriptedServer
from apps.llm.services import add_model, ensure_builtin_models, remove_model, usable_models
from apps.llm.types import Reply, Usage
from apps.runs import model_calls, work
from apps.runs.model_questions import BadQuestion, read_completion, read_embedding
from apps.runs.models import ModelCall, Run
from apps.runs.services import cancel_run
from apps.vault.services import set_secret
from tests.runs.conftest import begin, see, write
from tests.runs.test_children import in_background
from tests.waiting import wait_for

KEY = "sk-very-secret-key"
COLOUR = read_script(
    """
    {name: colour, title: The colour of the sky, prompt: "", answers: sky, files: "*", rules: [
      {name: look, when: {after: start}, say: "Blue.", call: {}},
      {name: end, when: {after: look_up}, say: "I looked: ${result}."}]}
    """
)
ASKS = "import func\n\ndef asks(text: str) -> str:\n    return func.complete(text).text\n"


@pytest.fixture
def server(cast, settings) -> Iterator[ScriptedServer]:
    """A model on a real HTTP server, which is acme's default."""
    with ScriptedServer(key=KEY, scripts=[COLOUR]) as running:
        settings.LLM_ALLOWED_LOCAL_HOSTS = [running.base_url.split("/")[2]]
        with scope(cast.acme.pk):
            address = {"model": "openai/scripted", "base_url": running.base_url, "api_key": KEY}
            add_model(actor=cast.owner, name="ours", is_default=True, **address)
        yield running


@pytest.fixture
def approve(cast) -> Callable[[], ApprovalRequest | None]:
    """The approver agrees to all that is asked; the last of it, if anything was."""

    def vote() -> ApprovalRequest | None:
        with scope(cast.acme.pk):
            for asked in ApprovalRequest.objects.filter(state="open"):
                cast_vote(actor=cast.approver, request_id=asked.pk, decision="approve", reason="Read.", shown_digest=asked.digest)
            return ApprovalRequest.objects.order_by("id").last()

    return vote


@pytest.fixture
def ask(cast, fake_boxes, approve) -> Callable[..., Run]:
    """Write a granted function, run it, and give the run as it ended."""

    def run(source: str, settings: Settings | None = None, **arguments: Any) -> Run:
        version = write(cast, source, **({"settings": settings} if settings else {}))
        approve()
        started = begin(cast, version, **arguments)
        assert work.perform_next_run()
        return see(cast, started)

    return run


@pytest.fixture
def answers(monkeypatch) -> Callable[[Callable[..., Reply]], None]:
    """The model's part is played by the test."""
    return lambda play: monkeypatch.setattr(model_calls, "complete", lambda **asked: play(**asked))


def calls_of(cast: Any, run: Run) -> list[ModelCall]:
    with scope(cast.acme.pk):
        return list(run.model_calls.order_by("id"))


def body(*lines: str) -> str:
    return "import func\n\ndef asks() -> object:\n" + "".join(f"    {line}\n" for line in lines)


def test_code_asks_the_default_model_and_what_it_used_is_counted(cast, server, ask) -> None:
    run = ask(ASKS, text="What colour is the sky?")
    assert (run.state, run.result) == ("succeeded", "Blue."), run.error
    (call,) = calls_of(cast, run)
    assert (call.model_name, call.kind, call.state, call.attempt) == ("ours", "complete", "answered", 1)
    assert call.tokens == call.input_tokens + call.output_tokens > 0
    assert call.cost_usd is None, "a server of one's own has no known price"
    assert server.requests[0]["max_tokens"] == model_calls.USUAL_OUTPUT_TOKENS


@pytest.mark.gvisor
def test_a_real_box_asks_and_holds_no_key(cast, server, approve) -> None:
    version = write(
        cast,
        "import func, os\n\ndef asks(text: str) -> list:\n"
        "    return [func.complete(text, system='Be short.').text, len(func.embed(text)), sorted(os.environ)]\n",
    )
    approve()
    started = begin(cast, version, text="The sky?")
    assert work.perform_next_run()
    run = see(cast, started)
    assert run.state == "succeeded", run.error
    assert run.result[:2] == ["Blue.", 256]
    assert not [name for name in run.result[2] if "KEY" in name or "PROXY" in name]
    assert KEY not in str(run.result)
    assert server.requests[0]["messages"][0] == {"role": "system", "content": "Be short."}


def test_tools_are_offered_and_their_calls_come_back_in_the_conversation(cast, settings, ask, server) -> None:
    server.scripts = (
        read_script(
            '{name: s, title: t, prompt: "", answers: sky, files: "*", rules: ['
            "{name: a, when: {after: start}, say: '', call: {look_up: {place: here}}},"
            "{name: b, when: {after: look_up}, say: 'I saw ${result}.'}]}"
        ),
    )
    run = ask(
        body(
            "tools = [{'name': 'look_up', 'description': 'Look.', 'parameters': {'type': 'object', 'properties': {}}}]",
            "messages = [{'role': 'user', 'content': 'sky'}]",
            "reply = func.complete(messages, tools=tools)",
            "call = reply.tool_calls[0]",
            "told = {'role': 'tool', 'content': '{\"result\": \"grey\"}', 'tool_call_id': call['id']}",
            "return [call['name'], call['arguments'], func.complete([*messages, reply.as_message(), told], tools=tools).text]",
        )
    )
    assert (run.state, run.result) == ("succeeded", ["look_up", {"place": "here"}, "I saw grey."]), run.error


def test_a_function_that_asks_models_waits_for_the_vote_of_somebody_else(cast, server, approve) -> None:
    version = write(cast, ASKS)
    run = begin(cast, version, text="sky")
    assert run.state == "awaiting_approval"
    request = approve()
    assert request.subject["models"] is True
    assert request.subject["widens"]["models"] is True
    assert see(cast, run).state == "queued"
    assert begin(cast, version, text="sky").state == "queued"


def test_an_edit_that_begins_to_ask_models_is_not_covered_by_an_earlier_grant(cast, approve, server) -> None:
    hosts = Settings(hosts=("api.example.org",))
    version = write(cast, "def asks(text: str) -> str:\n    return text\n", settings=hosts)
    approve()
    assert begin(cast, version, text="x").state == "queued"
    with scope(cast.acme.pk):
        function = Function.objects.get()
        edited = save_version(actor=cast.developer, function=function, source=ASKS, settings=hosts)
        edited = FunctionVersion.objects.select_related("function").get(pk=edited.pk)
    assert begin(cast, edited, text="x").state == "awaiting_approval"


def test_a_function_that_calls_one_that_asks_needs_the_vote_as_well(cast, approve, server) -> None:
    write(cast, ASKS)
    approve()
    outer = write(cast, "def outer(text: str) -> str:\n    return asks(text)\n")
    assert begin(cast, outer, text="sky").state == "awaiting_approval"


@pytest.mark.parametrize(
    "line",
    ["return getattr(func, 'comp' + 'lete')('sky').text", "return func.ask_host('models.complete', messages=[], tools=[])"],
)
def test_code_that_hides_that_it_asks_gets_no_model(cast, server, ask, line: str) -> None:
    hidden = line.replace("messages=[]", "messages=[{'role': 'user', 'content': 'sky'}]")
    run = ask(body(hidden))
    assert run.state == "failed"
    assert "may not ask language models" in run.error["message"]
    assert server.requests == []
    assert calls_of(cast, run) == []


def test_a_question_that_is_longer_than_the_budget_is_not_asked(cast, server, ask) -> None:
    run = ask(ASKS, Settings(limits={"model_tokens": 50}), text="sky " * 100)
    assert run.state == "failed"
    assert "This run has 50 tokens of language models left" in run.error["message"]
    assert "model_tokens" in run.error["message"]
    assert server.requests == []


def test_the_reply_may_be_as_long_as_the_budget_leaves(cast, server, ask) -> None:
    run = ask(ASKS, Settings(limits={"model_tokens": 100}), text="sky")
    assert run.state == "succeeded", run.error
    assert 0 < server.requests[0]["max_tokens"] < 100


def test_a_budget_of_nothing_asks_nothing(cast, server, ask) -> None:
    run = ask(ASKS, Settings(limits={"model_tokens": 0}), text="sky")
    assert run.state == "failed"
    assert server.requests == []


def test_what_has_cost_its_limit_asks_no_more(cast, server, ask, answers) -> None:
    answers(lambda **_: Reply("Blue.", usage=Usage(5, 5, Decimal("0.26"))))
    run = ask(body("for _ in range(5):", "    func.complete('sky')"), Settings(limits={"model_cents": 50}))
    assert run.state == "failed"
    assert "spent 52.00 of 50 US cents" in run.error["message"]
    assert len(calls_of(cast, run)) == 2


def test_several_questions_at_once_stay_within_the_budget_together(cast, server, ask, answers) -> None:
    asked = threading.Barrier(3, timeout=30)  # those that may be made are all on their way before one of them has ended

    def think(max_output_tokens: int, **_: Any) -> Reply:
        asked.wait()
        return Reply("Blue.", usage=Usage(5, max_output_tokens))

    answers(think)
    run = ask(
        "import func\nfrom concurrent.futures import ThreadPoolExecutor\n\ndef one(_: int) -> str:\n    try:\n"
        "        return func.complete('sky', max_tokens=990).text\n    except func.HostRefused:\n        return ''\n\n"
        "def asks() -> int:\n    with ThreadPoolExecutor(6) as pool:\n        return sum(map(bool, pool.map(one, range(6))))\n",
        Settings(limits={"model_tokens": 2500}),
    )
    assert (run.state, run.result) == ("succeeded", 3), run.error
    assert sum(call.tokens for call in calls_of(cast, run)) <= 2500


def test_what_another_attempt_asked_and_lost_counts_in_full(cast, server, approve, fake_boxes) -> None:
    version = write(cast, ASKS)
    approve()
    run = begin(cast, version, text="sky")
    with scope(cast.acme.pk):
        ModelCall.objects.create(run=run, attempt=1, kind="complete", model_name="ours", tokens=50_000)
    assert work.perform_next_run()
    ended = see(cast, run)
    assert ended.state == "failed"
    assert "This run has 0 tokens" in ended.error["message"]


def test_a_second_attempt_asks_again_and_both_are_counted(cast, server, approve, fake_boxes) -> None:
    """What the first attempt was told is gone with it, so the second pays again: out of one budget, and for all to see."""
    retried = Settings(retry_class=RetryClass.ON_ERROR, retry={"max_attempts": 2, "backoff_seconds": 1})
    version = write(cast, body("func.complete('sky')", "raise RuntimeError('again')"), settings=retried)
    approve()
    run = begin(cast, version)
    assert work.perform_next_run()
    with scope(cast.acme.pk):
        Run.objects.filter(pk=run.pk).update(not_before=None)
    assert work.perform_next_run()
    assert [call.attempt for call in calls_of(cast, run)] == [1, 2]
    with scope(cast.acme.pk):
        assert model_calls.spent_by(run).calls == 2


@pytest.mark.parametrize(
    ("fault", "may_pass", "counts"), [("rate_limited", True, False), ("wrong_key", False, False), ("not_json", True, True)]
)
def test_a_provider_s_failure_is_a_clear_error_in_the_box(cast, server, ask, fault: str, may_pass: bool, counts: bool) -> None:
    server.faults.append(fault)
    run = ask(
        body(
            "try:",
            "    func.complete('sky')",
            "except func.ModelUnavailable as error:",
            "    return [str(error), error.may_pass]",
        )
    )
    assert run.state == "succeeded", run.error
    assert run.result[1] is may_pass
    assert KEY not in str(run.result)
    (call,) = calls_of(cast, run)
    assert (call.state, call.error) == ("failed", run.result[0])
    assert (call.tokens > 0) is counts, "what the provider may have done all the work for counts"
    assert len(server.requests) == 1, "nothing asks again by itself"


def test_a_failure_that_code_does_not_handle_fails_the_run_in_the_provider_s_terms(cast, server, ask) -> None:
    server.faults.append("wrong_key")
    run = ask(ASKS, text="sky")
    assert (run.state, run.error["type"]) == ("failed", "ModelUnavailable")
    assert "does not accept this key" in run.error["message"]


def test_a_reply_that_cannot_be_used_is_no_answer_and_counts(cast, server, ask, answers) -> None:
    answers(lambda **_: Reply("No prepared reply.", problem="Nothing is prepared.", usage=Usage(3, 4)))
    run = ask(ASKS, text="What is two and two?")
    assert (run.state, run.error["type"], run.error["message"]) == ("failed", "ModelUnavailable", "Nothing is prepared.")
    (call,) = calls_of(cast, run)
    assert (call.state, call.tokens, call.error) == ("answered", 7, "Nothing is prepared.")


def test_no_connection_is_held_while_a_model_thinks(cast, server, ask, answers) -> None:
    seen: list[object] = []

    def think(**_: Any) -> Reply:
        seen.extend([connection.in_atomic_block, connection.connection])
        return Reply("Blue.")

    answers(think)
    assert ask(ASKS, text="sky").state == "succeeded"
    assert seen == [False, None]


def test_a_run_that_waits_for_a_model_is_cancelled_at_once(cast, server, approve, fake_boxes) -> None:
    server.faults.append("slow")
    version = write(cast, ASKS)
    approve()
    run = begin(cast, version, text="sky")
    worker = in_background(work.perform_next_run)
    wait_for(lambda: server.requests)
    with scope(cast.acme.pk):
        cancel_run(actor=cast.developer, run_id=run.pk)
    worker.join(timeout=20)
    assert see(cast, run).state == "cancelled"
    (call,) = calls_of(cast, run)
    assert (call.state, call.tokens > 0) == ("asked", True)
    server.ended.set()  # the model's thread sees the end of its server
    wait_for(lambda: calls_of(cast, run)[0].state == "failed")


def test_a_secret_is_not_sent_to_a_model(cast, server, ask) -> None:
    with scope(cast.acme.pk):
        set_secret(actor=cast.admin, name="API_KEY", value="correct-horse-battery")
    source = "import func, os\n\ndef asks() -> str:\n    return func.complete('sky ' + os.environ['API_KEY']).text\n"
    run = ask(source, Settings(secrets=("API_KEY",)))
    assert run.state == "failed"
    assert "carries a secret" in run.error["message"]
    assert server.requests == []


@pytest.mark.parametrize(
    ("name", "words"),
    [("theirs", "There is no model “theirs”"), ("gone", "There is no model “gone”"), ("A person", "whom code cannot")],
)
def test_only_usable_models_of_the_own_workspace_are_asked(cast, server, ask, name: str, words: str) -> None:
    with scope(cast.globex.pk):
        add_model(actor=cast.stranger, name="theirs", model="openai/scripted", base_url=server.base_url)
    with scope(cast.acme.pk):
        ensure_builtin_models(actor=cast.owner)
        gone = add_model(actor=cast.owner, name="gone", model="openai/scripted", base_url=server.base_url)
        remove_model(actor=cast.owner, model_id=gone.pk)
    run = ask(body(f"return func.complete('sky', model={name!r}).text"))
    assert run.state == "failed"
    assert words in run.error["message"]
    assert server.requests == []


def test_a_workspace_without_a_default_model_says_who_chooses_one(cast, ask) -> None:
    run = ask(ASKS, text="sky")
    assert "An admin chooses one on the page Models" in run.error["message"]


def test_the_prepared_replies_give_vectors_and_say_what_is_prepared(cast, ask) -> None:
    with scope(cast.acme.pk):
        ensure_builtin_models(actor=cast.owner)
        name = usable_models().get(kind=Kind.SCRIPTED).name
    run = ask(body(f"return len(func.embed('a word', model={name!r}))"))
    assert (run.state, run.result) == ("succeeded", 256), run.error
    run = ask(f"def other() -> str:\n    return func.complete('two and two', model={name!r}).text\n")
    assert run.state == "failed"
    assert "Replies are prepared for these tasks only" in run.error["message"]


def test_many_texts_are_embedded_in_several_questions(cast, server, ask) -> None:
    run = ask(body("return len(func.embed([f'text {n}' for n in range(70)]))"))
    assert (run.state, run.result) == ("succeeded", 70), run.error
    assert [len(request["input"]) for request in server.requests] == [64, 6]
    assert [call.kind for call in calls_of(cast, run)] == ["embed", "embed"]


def test_a_server_that_counts_nothing_is_counted_by_length(cast, server, ask, answers) -> None:
    answers(lambda **_: Reply("Blue." * 100))
    (call,) = calls_of(cast, ask(ASKS, text="sky " * 300))
    assert call.input_tokens >= 300
    assert call.output_tokens >= 100


def test_a_server_s_count_is_believed_within_reason(cast, server, ask, answers) -> None:
    answers(lambda **_: Reply("Blue.", usage=Usage(10**40, 10**40, Decimal(10) ** 30)))
    (call,) = calls_of(cast, ask(ASKS, text="sky"))
    assert (call.input_tokens, call.cost_usd) == (model_calls.MOST_TOKENS, model_calls.MOST_COST)


def test_a_call_that_timed_out_counts_for_all_that_it_may_have_used(cast, server, ask, answers) -> None:
    def time_out(**_: Any) -> Reply:
        raise ModelUnavailable(Failure.TIMED_OUT, "The model did not answer in time.")

    answers(time_out)
    (call,) = calls_of(cast, ask(ASKS, text="sky"))
    assert call.tokens > model_calls.USUAL_OUTPUT_TOKENS


USER = {"role": "user", "content": "sky"}


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"messages": [], "tools": []},
        {"messages": "sky", "tools": []},
        {"messages": [USER] * 501, "tools": []},
        {"messages": [{"role": "boss", "content": "x"}], "tools": []},
        {"messages": [{"role": "user", "content": None}], "tools": []},
        {"messages": [{**USER, "tool_calls": 7}], "tools": []},
        {"messages": [{**USER, "tool_calls": [{"id": "1", "name": "x", "arguments": "{}"}]}], "tools": []},
        {"messages": [{**USER, "tool_call_id": 7}], "tools": []},
        {"messages": [USER], "tools": [{"name": "a b", "description": "", "parameters": {}}]},
        {"messages": [USER], "tools": [{"name": "a", "description": "", "parameters": []}]},
        {"messages": [USER], "tools": ["a"]},
        {"messages": [USER], "tools": [], "model": 7},
        {"messages": [USER], "tools": [], "max_tokens": 0},
        {"messages": [USER], "tools": [], "max_tokens": True},
        {"messages": [USER], "tools": [], "max_tokens": "9"},
    ],
)
def test_a_question_that_makes_no_sense_is_refused(payload: dict[str, Any]) -> None:
    with pytest.raises(BadQuestion):
        read_completion(payload)


@pytest.mark.parametrize("texts", [None, [], [""], [7], "sky", ["a"] * 65])
def test_texts_that_are_none_are_refused(texts: Any) -> None:
    with pytest.raises(BadQuestion):
        read_embedding({"texts": texts})
