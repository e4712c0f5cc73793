"""Pages of rules, events and schedules: what is said where something is wrong, and what comes of what is pressed."""

import re
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.core.tenancy import scope
from apps.functions.services import create_function
from apps.triggers.events import deliver
from apps.triggers.models import Delivery, Event, Rule, Schedule
from apps.triggers.work import perform_next_delivery
from tests.dashboard.conftest import make_event, make_function, make_rule, make_run


@pytest.fixture
def shout(cast: SimpleNamespace) -> Any:
    with scope(cast.acme.pk):
        return make_function(cast.developer).function


def form_of(target: Any, /, **changes: str) -> dict[str, str]:
    return {
        "name": "Shout", "event_type": "order.paid", "target": str(target.pk), "arguments": "text = event.data.text",
        "most_per_minute": "60", "most_running": "10", **changes,
    }  # fmt: skip


def text_of(response: Any) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode()))


def test_a_rule_is_written_in_the_form(cast, shout, sign_in) -> None:
    client = sign_in(cast.developer)
    given = form_of(
        shout, condition="event.data.n > 3", arguments='text = event.data.text\n  + "!"\ntimes = 2', function=str(shout.pk)
    )
    assert client.post("/w/acme/rules/new", given).status_code == 302
    with scope(cast.acme.pk):
        rule = Rule.objects.get()
    assert (rule.condition, rule.function_id, rule.owner_id) == ("event.data.n > 3", shout.pk, cast.developer.pk)
    assert rule.arguments == {"text": 'event.data.text\n  + "!"', "times": "2"}


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"condition": "event.data.n >"}, "condition", "This is no expression"),
        ({"arguments": "text"}, "arguments", "is no argument"),
        ({"arguments": "text = 'a'\ntext = 'b'"}, "arguments", "is no argument"),
        ({"arguments": "text = 7"}, "arguments", "text: This must be text"),
        ({"arguments": ""}, "arguments", "text: This argument is required"),
        ({"target": ""}, "target", "required"),
        ({"most_per_minute": "0"}, "most_per_minute", "greater than or equal to 1"),
    ],
)
def test_what_is_wrong_stands_beside_its_field(cast, shout, sign_in, changes: dict[str, str], field: str, words: str) -> None:
    response = sign_in(cast.developer).post("/w/acme/rules/new", form_of(shout, **changes))
    assert response.status_code == 422
    beside = re.search(rf'id="id_{field}_error">(.*?)</div>', response.content.decode(), re.DOTALL)
    assert beside is not None
    assert words in beside[1].replace("&#x27;", "'")
    with scope(cast.acme.pk):
        assert not Rule.objects.exists()


def test_a_form_that_was_opened_before_somebody_elses_change_overwrites_nothing(cast, shout, sign_in) -> None:
    client = sign_in(cast.developer)
    with scope(cast.acme.pk):
        rule = make_rule(cast.developer, shout)
    url = f"/w/acme/rules/{rule.pk}/edit"
    seen = re.search(r'name="seen" value="([^"]+)"', client.get(url).content.decode())
    assert seen is not None
    assert client.post(url, form_of(shout, condition="event.data.n == 1", seen=seen[1])).status_code == 302
    late = client.post(url, form_of(shout, condition="event.data.n == 2", seen=seen[1]))
    assert (late.status_code, "Somebody has changed this rule" in text_of(late)) == (409, True)
    with scope(cast.acme.pk):
        assert Rule.objects.get().condition == "event.data.n == 1"


def test_one_rule_too_many_is_told_in_the_form(cast, shout, sign_in, settings) -> None:
    settings.TRIGGER_FAN_OUT = 1
    client = sign_in(cast.developer)
    assert client.post("/w/acme/rules/new", form_of(shout)).status_code == 302
    late = client.post("/w/acme/rules/new", form_of(shout, name="Another"))
    assert (late.status_code, "1 rules wait for the same events" in text_of(late)) == (409, True)
    assert client.post("/w/acme/rules/new", form_of(shout)).status_code == 409, "nor does a name come twice"


def test_trying_shows_what_the_form_would_do_and_stores_nothing(cast, shout, sign_in) -> None:
    with scope(cast.acme.pk):
        make_event(data={"text": "hello <b>", "n": 5})
        make_event(data={"text": "a", "n": 1})
        make_event(data={})
    response = sign_in(cast.developer).post("/w/acme/rules/try", form_of(shout, condition="event.data.n > 3"))
    told = text_of(response)
    assert response.status_code == 200
    assert "hello &lt;b&gt;" in told
    assert "Not met" in told
    assert "cannot be decided" in told
    with scope(cast.acme.pk):
        assert (Rule.objects.count(), Delivery.objects.count()) == (0, 0)


def test_trying_what_is_wrong_says_what(cast, shout, sign_in) -> None:
    client: Client = sign_in(cast.developer)
    assert "no expression" in text_of(client.post("/w/acme/rules/try", form_of(shout, condition="1 +")))
    assert "Name:" in text_of(client.post("/w/acme/rules/try", form_of(shout, name="")))


def test_a_circle_is_told_when_a_rule_is_saved(cast, shout, sign_in) -> None:
    given = form_of(shout, event_type="run.failed", arguments="text = 'a'")
    response = sign_in(cast.developer).post("/w/acme/rules/new", given, follow=True)
    assert text_of(response).count("may start one another in a circle") == 2, "as a message, and on the page for good"


def test_a_rules_page_shows_what_came_of_each_event(cast, sign_in) -> None:
    with scope(cast.acme.pk):
        made = create_function(actor=cast.developer, source="def shout(text: str) -> str:\n    return text\n")
        rule = make_rule(cast.developer, made, condition="event.data.n > 3")
        make_event(data={"text": "a", "n": 1})
        make_event(data={"n": 5})
        make_event(data={"text": "a", "n": 5})
    while perform_next_delivery():
        pass
    page = sign_in(cast.viewer).get(f"/w/acme/rules/{rule.pk}/")
    told = text_of(page)
    for words in ("Not met", "Failed", "Started", "does not hold for this event", "text"):
        assert words in told
    assert "Switch off" not in told, "a viewer looks on"


def test_a_rule_whose_owner_has_left_says_so(cast, shout, sign_in) -> None:
    with scope(cast.acme.pk):
        rule = make_rule(cast.admin, shout)
        cast.admin.delete()
    assert "it cannot act" in text_of(sign_in(cast.developer).get(f"/w/acme/rules/{rule.pk}/"))


def test_firing_needs_an_object(cast, shout, sign_in) -> None:
    with scope(cast.acme.pk):
        rule = make_rule(cast.developer, shout)
    client, url = sign_in(cast.operator), f"/w/acme/rules/{rule.pk}/fire"
    for data in ("{", "[1]", "7"):
        response = client.post(url, {"data": data})
        assert (response.status_code, "JSON" in text_of(response)) == (422, True)
    assert client.post(url, {"data": '{"text": "a"}'}).status_code == 302
    with scope(cast.acme.pk):
        assert Delivery.objects.get().event.data == {"text": "a"}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"type": "run.succeeded"}, "platform's own"),
        ({"type": "order"}, "no type of event"),
        ({"type": "a.b", "data": "{"}, "no JSON"),
    ],
)
def test_an_event_that_cannot_be_is_told_in_the_form(cast, sign_in, given: dict[str, str], words: str) -> None:
    response = sign_in(cast.operator).post("/w/acme/events/", given)
    assert (response.status_code, words in text_of(response).replace("&#x27;", "'")) == (422, True)
    with scope(cast.acme.pk):
        assert not Event.objects.exists()


def test_events_are_found_by_type_and_words(cast, sign_in) -> None:
    with scope(cast.acme.pk):
        make_event(type="order.paid", subject="A-1")
        make_event(type="order.sent", subject="B-2")
    client = sign_in(cast.viewer)
    assert "order.sent" not in text_of(client.get("/w/acme/events/?q=a-1")).partition("All types")[2]
    found = client.get("/w/acme/events/", {"type": "order.sent"})
    assert [event.type for event in found.context["page"].rows] == ["order.sent"]
    assert "No event matches" in text_of(client.get("/w/acme/events/?q=nothing"))


def test_an_events_page_takes_the_same_queries_however_many_rules_acted(cast, shout, sign_in) -> None:
    client, counts = sign_in(cast.viewer), []
    with scope(cast.acme.pk):
        event = make_event()
    for number in range(12):
        with scope(cast.acme.pk):
            rule = make_rule(cast.developer, shout, f"rule {number}", event_type=f"order.n{number}")
            deliver(event, [rule.pk])
            Delivery.objects.filter(rule=rule).update(run=make_run(cast.developer, shout.active_version))
        with CaptureQueriesContext(connection) as queries:
            assert f"rule {number}" in text_of(client.get(f"/w/acme/events/{event.pk}/"))
        counts.append(len(queries))
    assert len(set(counts)) == 1
    assert counts[0] <= 25


def test_a_run_says_which_rule_started_it_and_what_followed(cast, shout, sign_in) -> None:
    with scope(cast.acme.pk):
        rule, event = make_rule(cast.developer, shout), make_event()
        run = make_run(cast.developer, shout.active_version)
        Delivery.objects.filter(rule=rule, event=event).update(run=run)
        after = make_rule(cast.developer, shout, "Afterwards", event_type="receipt.written")
        make_event(type="receipt.written", run=run)
    told = text_of(sign_in(cast.viewer).get(f"/w/acme/runs/{run.pk}/"))
    assert f"started by the rule {rule.name}" in told
    assert "What rules did because of it" in told
    assert after.name in told


def test_a_schedule_shows_its_next_times_by_its_own_clock(cast, sign_in) -> None:
    client = sign_in(cast.developer)
    given = {"name": "every_morning", "cron": "0 9 * * *", "time_zone": "Asia/Tokyo", "catch_up": "last"}
    told = text_of(client.post("/w/acme/schedules/", given, follow=True))
    assert told.count("09:00 JST") == 5


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"cron": "61 * * * *"}, "no cron expression"), ({"time_zone": "Mars"}, "no time zone"), ({"name": "Every"}, "one word")],
)
def test_a_schedule_that_cannot_be_says_why(cast, sign_in, changes: dict[str, str], words: str) -> None:
    given = {"name": "every_morning", "cron": "0 9 * * *", "time_zone": "UTC", "catch_up": "last", **changes}
    response = sign_in(cast.developer).post("/w/acme/schedules/", given)
    assert (response.status_code, words in text_of(response)) == (422, True)
    with scope(cast.acme.pk):
        assert not Schedule.objects.exists()
