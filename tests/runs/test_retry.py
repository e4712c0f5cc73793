"""What is tried again, when, and what each attempt says about the next; by the fake driver."""

import itertools
from datetime import timedelta

import pytest
from django.db.models.functions import Now
from django.utils import timezone

from apps.core import retries
from apps.core.retries import Backoff
from apps.core.tenancy import scope
from apps.functions.definition import InvalidRetry, Settings
from apps.functions.models import RetryClass
from apps.runs import work
from apps.runs.models import Attempt, Run
from apps.runs.services import cancel_run
from tests.runs.conftest import begin, change, see, write

pytestmark = pytest.mark.usefixtures("fake_boxes")
FAILS = "def fails() -> None:\n    raise ConnectionError('nobody there')\n"
ON_ERROR = Settings(
    retry_class=RetryClass.ON_ERROR, retry={"max_attempts": 3, "backoff_seconds": 800, "backoff_cap_seconds": 1200}
)


def attempts(cast, run) -> list[Attempt]:
    with scope(cast.acme.pk):
        return list(Attempt.objects.filter(run=run).order_by("number"))


def work_when_due(cast, run) -> Run:
    """The pause passes, and a worker comes."""
    change(cast, run, not_before=None)
    assert work.perform_next_run()
    return see(cast, run)


def test_an_error_is_tried_again_after_a_growing_pause_until_the_attempts_are_used_up(cast, monkeypatch) -> None:
    monkeypatch.setattr(retries.random, "uniform", lambda least, most: most)
    run = begin(cast, write(cast, FAILS, settings=ON_ERROR))
    for pause in (800, 1200):
        waiting = work_when_due(cast, run)
        assert waiting.state == "queued"
        assert pause - 200 < (waiting.not_before - timezone.now()).total_seconds() <= pause
        assert not work.perform_next_run()
    ended = work_when_due(cast, run)
    assert (ended.state, ended.attempt, ended.error["type"]) == ("failed", 3, "ConnectionError")
    first, second, last = attempts(cast, run)
    assert [each.outcome for each in (first, second, last)] == ["error"] * 3
    assert first.sequel == "Error 1 of at most 3: tried again after 800.0 s, drawn from 0 to 800 s."
    assert (first.error["type"], first.error["line"]) == ("ConnectionError", 2)
    assert second.next_at > second.ended_at
    assert (last.sequel, last.next_at) == ("It was the last of 3 attempts.", None)


def test_a_second_attempt_that_succeeds_ends_the_run(cast) -> None:
    source = "import pathlib\n\ndef second(path: str) -> str:\n    flag = pathlib.Path(path)\n    if not flag.exists():\n"
    source += "        flag.touch()\n        raise OSError('the first time')\n    flag.unlink()\n    return 'done'\n"
    run = begin(cast, write(cast, source, settings=ON_ERROR), path=f"/tmp/{cast.acme.pk}")
    assert work_when_due(cast, run).state == "queued"
    ended = work_when_due(cast, run)
    assert (ended.state, ended.result, ended.error, ended.attempt) == ("succeeded", "done", None, 2)


@pytest.mark.parametrize("retry_class", [RetryClass.NEVER, RetryClass.ON_LOST])
def test_other_classes_do_not_repeat_an_error(cast, retry_class) -> None:
    run = begin(cast, write(cast, FAILS, settings=Settings(retry_class=retry_class)))
    assert work_when_due(cast, run).state == "failed"
    assert attempts(cast, run)[0].sequel == ""


def test_who_calls_in_its_own_box_what_must_not_be_done_twice_is_not_repeated_either(cast) -> None:
    write(cast, "def pays() -> None:\n    print('paid')\n", settings=Settings(retry_class=RetryClass.NEVER))
    write(cast, "def between() -> None:\n    pays()\n", settings=Settings(retry_class=RetryClass.ON_LOST))
    source = "def outer() -> None:\n    between()\n    raise ConnectionError('too late')\n"
    run = begin(cast, write(cast, source, settings=ON_ERROR))
    assert run.retry_class == "never"
    assert work_when_due(cast, run).state == "failed"
    assert [each.sequel for each in attempts(cast, run)] == [
        "It was not tried again: it calls a function that must not be done twice."
    ]


def test_parts_that_may_be_repeated_after_a_loss_do_not_bind_a_caller_that_may_after_an_error(cast) -> None:
    write(cast, "def part() -> int:\n    return 1\n")
    assert begin(cast, write(cast, "def outer() -> int:\n    return part()\n", settings=ON_ERROR)).retry_class == "on_error"


def test_a_limit_is_not_an_error_to_repeat(cast) -> None:
    source = "import time\n\ndef sleeps() -> None:\n    time.sleep(60)\n"
    settings = Settings(retry_class=RetryClass.ON_ERROR, limits={"wall_seconds": 1})
    run = begin(cast, write(cast, source, settings=settings))
    assert (work_when_due(cast, run).state, len(attempts(cast, run))) == ("timed_out", 1)


def test_a_retry_that_would_begin_after_the_total_time_does_not_take_place(cast, monkeypatch) -> None:
    monkeypatch.setattr(retries.random, "uniform", lambda least, most: most)
    run = begin(cast, write(cast, FAILS, settings=ON_ERROR))
    change(cast, run, total_time=timedelta(seconds=500), total_deadline_at=Now() + timedelta(seconds=500))
    assert work_when_due(cast, run).state == "failed"
    assert attempts(cast, run)[0].sequel == "It was not tried again: the total time of 500 s would be over."


def test_a_run_that_waits_for_its_next_attempt_can_be_cancelled(cast) -> None:
    run = begin(cast, write(cast, FAILS, settings=ON_ERROR))
    assert work_when_due(cast, run).state == "queued"
    with scope(cast.acme.pk):
        assert cancel_run(actor=cast.developer, run_id=run.pk).state == "cancelled"
    assert not work.perform_next_run()


def test_what_is_frozen_on_the_run_counts_and_not_what_the_function_says_later(cast) -> None:
    run = begin(cast, write(cast, FAILS, settings=ON_ERROR))
    assert run.retry == {"max_attempts": 3, "backoff_seconds": 800, "backoff_cap_seconds": 1200}
    usual = begin(cast, write(cast, FAILS.replace("fails", "usual"), settings=Settings(retry_class=RetryClass.ON_ERROR)))
    assert usual.retry == {"max_attempts": 5, "backoff_seconds": 5, "backoff_cap_seconds": 300}


@pytest.mark.parametrize(
    ("retry_class", "retry"),
    [
        (RetryClass.ON_LOST, {"max_attempts": 3}),
        (RetryClass.ON_ERROR, {"max_attempts": 1}),
        (RetryClass.ON_ERROR, {"max_attempts": True}),
        (RetryClass.ON_ERROR, {"max_attempts": 1.5}),
        (RetryClass.ON_ERROR, {"often": 3}),
    ],
)
def test_settings_that_mean_nothing_are_refused(cast, retry_class, retry) -> None:
    with pytest.raises(InvalidRetry):
        write(cast, FAILS, settings=Settings(retry_class=retry_class, retry=retry))


def test_a_version_that_reaches_outside_is_never_repeated_unless_it_says_so() -> None:
    assert Settings(hosts=("example.com",)).effective_retry_class == RetryClass.NEVER
    assert Settings(secrets=("KEY",)).effective_retry_class == RetryClass.NEVER
    assert Settings().effective_retry_class == RetryClass.ON_LOST


def test_a_digest_without_retry_settings_is_what_it_always_was(cast) -> None:
    assert "retry" not in write(cast, FAILS).content()


def test_the_pause_is_drawn_from_all_of_a_doubling_span_with_a_cap() -> None:
    backoff = Backoff(base=2, cap=10)
    assert [backoff.longest(failures) for failures in (1, 2, 3, 4, 1000)] == [2, 4, 8, 10, 10]
    drawn = [backoff.pause(2).total_seconds() for _ in range(200)]
    assert min(drawn) < 1 < 3 < max(drawn) <= 4
    assert all(a != b for a, b in itertools.pairwise(drawn))
