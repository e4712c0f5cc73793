"""Decorators and calls of pack files that say when functions run, and what BabyAGI would do when it loads them."""

import pytest

from apps.functions.analysis import analyse_pack
from apps.functions.models import FunctionVersion
from apps.packs.plan import PackRefused
from apps.triggers.models import Rule
from tests.packs.conftest import manifest, marked, tree_of

WORDS = marked("def words(text: str) -> list:\n    return text.split()")
CHECK = marked("def check(function: str, about: str = '') -> str:\n    return function")
SEED = """
register_trigger(
    event_type="function_updated",
    target_function="words",
    trigger_function="check",
    conditions={"auto_validate": True}
)
"""


def test_the_seeds_example_becomes_a_rule(look) -> None:
    plan = look(tree_of(a__py=WORDS + CHECK + SEED))
    assert plan.asks
    [rule] = plan.rules
    assert (rule["event_type"], rule["function"], rule["target"]) == ("function.updated", "words", "check")
    assert rule["condition"] == "has(event.data.auto_validate) && event.data.auto_validate == true"
    assert rule["arguments"] == {"function": "event.data.function"}


def test_a_decorator_names_what_it_decorates_and_is_no_part_of_the_source(install, decide) -> None:
    text = (
        '@selfsmith.register_trigger(event_type="run.failed", target_function="words", '
        "conditions='event.data.state == \"failed\"')\n"
        + marked("def told(event: dict, result: str = '') -> str:\n    return event['type']")
    )
    install(tree_of(pack__toml=manifest(), a__py=WORDS + text))
    decide()
    rule = Rule.objects.get()
    assert (rule.event_type, rule.function.name, rule.target.name) == ("run.failed", "words", "told")
    assert rule.condition == 'event.data.state == "failed"'
    assert rule.arguments == {"event": "event", "result": "event.data.result"}
    assert "register_" not in FunctionVersion.objects.get(function__name="told").source


def test_a_decorator_means_the_name_that_a_function_is_registered_by(look) -> None:
    text = '@selfsmith.register_trigger(event_type="order.paid")\n' + marked("def inner() -> int:\n    return 1", name="outer")
    [rule] = look(tree_of(a__py=text)).rules
    assert rule["target"] == "outer"


def test_arguments_can_be_said(look) -> None:
    arguments = '{"text": "event.data.note"}'
    text = f'register_trigger(event_type="order.paid", trigger_function="words", arguments={arguments}, name="Notes")\n'
    [rule] = look(tree_of(a__py=WORDS + text)).rules
    assert (rule["name"], rule["arguments"]) == ("Notes", {"text": "event.data.note"})


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ("register_trigger()", "say the event_type"),
        ("register_trigger('run.failed')", "by name"),
        ("register_trigger(event_type='run.failed', trigger_function=words)", "must be written out"),
        ("register_trigger(event_type='run.failed', trigger_function='words', colour=1)", "knows no colour"),
        ("register_trigger(event_type='run.failed', trigger_function='words', conditions=[1])", "must be an expression"),
        ("register_trigger(event_type='run.failed', trigger_function='words', arguments={'text': 1})", "a dictionary"),
        ("register_trigger(event_type='run.failed', trigger_function='nothing')", "“nothing”, which is not there"),
        ("register_trigger(event_type='run.failed', trigger_function='words', target_function='no')", "“no”, which is not there"),
        ("register_trigger(event_type='run.nothing', trigger_function='words')", "like the platform's own"),
        ("register_trigger(event_type='run.failed', trigger_function='words', conditions='event.')", "no expression"),
        ("register_trigger(event_type='run.failed', trigger_function='words', conditions={'a b': 1})", "cannot be a key"),
        ("register_trigger(event_type='order.paid', trigger_function='words')", "text"),
    ],
)
def test_a_rule_that_cannot_be_is_refused_with_its_line(install, call: str, words: str) -> None:
    with pytest.raises(PackRefused) as refusal:
        install(tree_of(pack__toml=manifest(), a__py=f"{WORDS}\n{call}\n"))
    [told] = refusal.value.details["refused"]
    assert words in told["reason"]
    assert (told["file"], told["line"]) == ("a.py", 5)
    assert not Rule.objects.exists()


def test_what_babyagi_would_do_with_a_file_is_told_and_not_done(look) -> None:
    text = 'import babyagi\nbabyagi.add_key_wrapper("openai_api_key", "sk-very-secret")\nbabyagi.load_functions("drafts/x")\n'
    plan = look(tree_of(a__py=text + WORDS))
    assert [(each.note.line, each.note.text.partition(".")[0]) for each in plan.notes] == [
        (2, "add_key_wrapper is not run, and the value in the file is not kept"),
        (3, "load_functions is not run"),
    ]
    assert "“openai_api_key”" in plan.notes[0].note.text
    assert "sk-very-secret" not in str(plan.frozen())


def test_triggers_of_a_function_are_those_after_which_it_runs() -> None:
    reading = analyse_pack(marked("def after(text: str) -> str:\n    return text", triggers=["words", "other"]))
    assert [(each.event_type, each.about, each.target) for each in reading.rules] == [
        ("run.succeeded", "words", "after"),
        ("run.succeeded", "other", "after"),
    ]


def test_a_rule_that_is_there_stays_as_people_have_it(install, look, decide) -> None:
    after = marked("def after(text: list) -> int:\n    return 1", triggers=["words"])
    install(tree_of(pack__toml=manifest(), a__py=WORDS + after))
    decide()
    rule = Rule.objects.get()
    Rule.objects.filter(pk=rule.pk).update(most_running=1)
    plan = look(tree_of(pack__toml=manifest(version="2"), a__py=WORDS + after))
    assert (plan.rules, plan.kept_rules, plan.asks) == ([], [rule.name], False)
