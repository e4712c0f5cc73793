"""The operator's figures: right, anonymous, and for the operator alone."""

from datetime import timedelta

import pytest
from django.db.models.functions import Now
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

from apps.core import leases
from apps.core.tenancy import every_workspace, scope
from apps.monitoring.measures import take_measures
from apps.monitoring.models import ProcessKind, ProcessReport
from apps.monitoring.reports import alive, forget_the_dead, report, withdraw
from apps.packages.models import PackageSet

REMOTE = {"REMOTE_ADDR": "192.0.2.7"}


def make_set(cast, number: int = 0, **fields: object) -> PackageSet:
    with scope(cast.acme.pk):
        return PackageSet.objects.create(
            state="queued", requirements=[], requirements_digest=f"{number:064}", reason="testing", **fields
        )


def figures(client: Client, **asking: str) -> dict[tuple[str, ...], float]:
    """(name, label values…) → value."""
    answer = client.get("/metrics", **asking)
    assert answer.status_code == 200, answer.content
    families = text_string_to_metric_families(answer.content.decode())
    return {(sample.name, *sample.labels.values()): sample.value for family in families for sample in family.samples}


def test_what_waits_is_counted_with_the_age_of_the_oldest(client: Client, cast) -> None:
    make_set(cast, 1, not_before=None)
    with scope(cast.acme.pk):
        PackageSet.objects.update(not_before=Now() - timedelta(seconds=90))
    make_set(cast, 2)
    found = figures(client)
    assert found["selfsmith_queue_due", "packages.resolve"] == 2
    assert 90 <= found["selfsmith_queue_age_seconds", "packages.resolve"] < 120
    assert found["selfsmith_queue_due", "runs"] == 0


def test_the_age_of_what_is_put_back_begins_anew(cast) -> None:
    """A run that worked for an hour before its worker vanished has not waited for an hour."""
    row = make_set(cast)
    with scope(cast.acme.pk):
        PackageSet.objects.filter(pk=row.pk).update(not_before=Now() - timedelta(hours=1))
    taken = leases.claim(lambda: PackageSet.objects.all(), from_state="queued", to_state="resolving")
    assert taken is not None
    with scope(cast.acme.pk):
        leases.leave(taken, to_state="queued")
    assert take_measures().queues["packages.resolve"].age_seconds < 30


def test_what_waits_for_its_time_does_not_count(cast) -> None:
    make_set(cast, not_before=Now() + timedelta(minutes=1))
    assert take_measures().queues["packages.resolve"].due == 0


def test_losses_of_the_last_hour_are_summed(cast) -> None:
    make_set(cast, 1, losses=2)
    make_set(cast, 2, losses=1)
    assert take_measures().losses_lately["packages"] == 3


def test_living_workers_and_their_warm_boxes_are_told_and_silent_ones_are_not_living(client: Client, db) -> None:
    report(ProcessKind.WORKER, warm_boxes=2)
    report(ProcessKind.WORKER, warm_boxes=3)
    ProcessReport.objects.create(name="gone:1", kind="worker")
    ProcessReport.objects.filter(name="gone:1").update(seen_at=Now() - timedelta(minutes=2))
    found = figures(client)
    assert found[("selfsmith_workers",)] == 1
    assert found[("selfsmith_schedulers",)] == 0
    assert found["selfsmith_worker_seen_seconds_ago", "gone:1"] >= 120
    name = alive(ProcessKind.WORKER).get().name
    assert found["selfsmith_warm_boxes", name] == 3


def test_a_process_that_ends_in_order_is_not_missed_and_the_dead_are_forgotten(db) -> None:
    report(ProcessKind.WORKER)
    withdraw()
    ProcessReport.objects.create(name="gone:1", kind="worker")
    ProcessReport.objects.filter(name="gone:1").update(seen_at=Now() - timedelta(hours=2))
    assert forget_the_dead() == 1
    assert not ProcessReport.objects.exists()


def test_figures_name_no_tenant_person_or_function(client: Client, cast) -> None:
    make_set(cast)
    text = client.get("/metrics").content.decode()
    for name in ("acme", "globex", "owner", str(cast.acme.pk), cast.acme.pk.hex):
        assert name not in text


@pytest.mark.parametrize("path", ["HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED", "HTTP_X_REAL_IP"])
def test_a_proxy_on_this_machine_opens_nothing(client: Client, db, path: str) -> None:
    assert client.get("/metrics", **{path: "203.0.113.9"}).status_code == 403


def test_elsewhere_only_the_token_opens_them(client: Client, db, settings) -> None:
    assert client.get("/metrics", **REMOTE).status_code == 403
    settings.METRICS_TOKEN = "figures-for-the-operator"
    assert client.get("/metrics", headers={"Authorization": "Bearer another"}, **REMOTE).status_code == 403
    assert client.get("/metrics", headers={"Authorization": "Bearer "}, **REMOTE).status_code == 403
    assert client.get("/metrics", headers={"Authorization": "Bearer figures-for-the-operator"}, **REMOTE).status_code == 200


def test_the_setting_closes_them_on_this_machine_too(client: Client, db, settings) -> None:
    settings.METRICS_FROM_LOOPBACK = False
    assert client.get("/metrics").status_code == 403


def test_an_empty_token_opens_nothing(client: Client, db, settings) -> None:
    settings.METRICS_TOKEN, settings.METRICS_FROM_LOOPBACK = "", False
    assert client.get("/metrics", headers={"Authorization": "Bearer "}).status_code == 403


def test_a_look_costs_the_same_number_of_questions_however_much_there_is(cast, django_assert_max_num_queries) -> None:
    for number in range(5):
        make_set(cast, number)
    with django_assert_max_num_queries(22), every_workspace(reason="a test counts questions"):
        take_measures()
