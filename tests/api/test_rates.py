"""Limits on requests: told with each answer, kept for all web processes together, and off while Redis is away."""

import os

import pytest

from apps.workspaces import rates
from tests.api.conftest import Call


@pytest.fixture(autouse=True)
def limits(settings, monkeypatch) -> None:
    """Few requests, counted in the tests' Redis under a name of this test's own."""
    settings.INSTALLATION = f"rates-{os.urandom(4).hex()}"
    settings.RATE_PER_MEMBER, settings.RATE_PER_WORKSPACE = "3/minute", "5/minute"
    rates._limiter.cache_clear()
    yield
    rates._limiter.cache_clear()


def test_each_answer_tells_what_is_left_and_the_end_when_to_come_back(cast, by_token: Call) -> None:
    caller = by_token(cast.developer)
    answers = [caller.get("/runs") for _ in range(4)]
    assert [each.status_code for each in answers] == [200, 200, 200, 429]
    assert [each["RateLimit"].partition(";t=")[0] for each in answers] == [f'"member";r={left}' for left in (2, 1, 0, 0)]
    assert answers[0]["RateLimit-Policy"] == '"member";q=3;w=60'
    refused = answers[-1]
    assert (refused.json()["code"], refused["Content-Type"]) == ("too_many_requests", "application/problem+json")
    assert 1 <= int(refused["Retry-After"]) <= 60


def test_each_token_has_a_count_of_its_own_and_a_workspace_one_for_all(cast, by_token: Call) -> None:
    first, second, foreign = by_token(cast.developer), by_token(cast.developer), by_token(cast.stranger)
    assert [first.get("/runs").status_code for _ in range(3)] == [200] * 3
    assert [second.get("/runs").status_code for _ in range(3)] == [200, 200, 429]
    assert foreign.get("/runs").status_code == 200


def test_a_member_without_a_token_is_counted_too(cast, by_session: Call) -> None:
    caller = by_session(cast.developer)
    assert [caller.get("/runs").status_code for _ in range(4)] == [200, 200, 200, 429]


def test_another_web_process_goes_on_with_the_same_count(cast, by_token: Call) -> None:
    caller = by_token(cast.developer)
    assert [caller.get("/runs").status_code for _ in range(3)] == [200] * 3
    rates._limiter.cache_clear()  # as a process that begins has nothing but what Redis knows
    assert caller.get("/runs").status_code == 429


def test_while_redis_is_away_nobody_is_refused_and_the_log_says_so(cast, by_token: Call, settings, caplog) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    rates._limiter.cache_clear()
    caller = by_token(cast.developer)
    answers = [caller.get("/runs") for _ in range(4)]
    assert [each.status_code for each in answers] == [200] * 4
    assert "RateLimit" not in answers[0]
    assert "rates.not_counted" in caplog.text


def test_an_empty_setting_is_no_limit(cast, by_token: Call, settings) -> None:
    settings.RATE_PER_MEMBER = settings.RATE_PER_WORKSPACE = ""
    caller = by_token(cast.developer)
    answers = [caller.get("/runs") for _ in range(7)]
    assert {each.status_code for each in answers} == {200}
    assert "RateLimit" not in answers[0]
