"""An operator is called once for each episode, by every channel, and not for what comes and goes."""

import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from django.core import mail
from django.db.models.functions import Now
from django.test import Client

from apps.core.tenancy import scope
from apps.monitoring import alerts, delivery, rounds
from apps.monitoring.models import Alert, ProcessKind
from apps.monitoring.reports import report
from apps.packages.models import PackageSet


class Receiver:
    """A webhook on loopback that remembers what came."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, str]] = []
        self.status = 204
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                receiver.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(receiver.status)
                self.send_header("Location", "http://127.0.0.1:1/")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.host = f"127.0.0.1:{self.server.server_port}"
        self.address = f"http://{self.host}/hooks/secret-part?key=1"


@pytest.fixture
def receiver(settings) -> Iterator[Receiver]:
    made = Receiver()
    thread = threading.Thread(target=made.server.serve_forever)
    thread.start()
    settings.ALERT_WEBHOOK, settings.ALERT_ALLOWED_LOCAL_HOSTS = made.address, [made.host]
    yield made
    made.server.shutdown()
    thread.join()
    made.server.server_close()


@pytest.fixture
def processes(db, settings) -> None:
    """A worker and a scheduler live, and there is room: nothing is wrong."""
    settings.ALERT_FREE_MIB = 0
    report(ProcessKind.WORKER)
    report_scheduler()


def report_scheduler() -> None:
    from apps.monitoring.models import ProcessReport

    ProcessReport.objects.create(name="scheduler:1", kind=ProcessKind.SCHEDULER)


def no_worker_lives() -> None:
    from apps.monitoring.models import ProcessReport

    ProcessReport.objects.filter(kind=ProcessKind.WORKER).update(seen_at=Now() - timedelta(minutes=1))


def later() -> None:
    """Time has passed for whatever waits for its next try or for the end of its episode."""
    Alert.objects.update(try_after=Now(), seen_at=Now() - alerts.QUIET * 2)


def test_nobody_is_called_while_all_is_well(processes, receiver: Receiver) -> None:
    alerts.look()
    assert not Alert.objects.exists()
    assert receiver.bodies == []


def test_one_episode_is_told_once_however_often_it_is_seen(processes, receiver: Receiver, settings, caplog) -> None:
    settings.ALERT_MAIL = ["operator@example.com"]
    no_worker_lives()
    for _ in range(3):
        alerts.look()
        Alert.objects.update(try_after=Now())
    (body,) = receiver.bodies
    assert body["rule"] == "no_worker"
    assert body["text"] == "Selfsmith: No worker is alive: runs, builds and tasks wait."
    (letter,) = mail.outbox
    assert letter.to == ["operator@example.com"]
    assert "No worker is alive" in letter.body
    assert caplog.text.count("alert.began") == 1


def test_the_next_episode_is_told_again(processes, receiver: Receiver) -> None:
    no_worker_lives()
    alerts.look()
    report(ProcessKind.WORKER)
    later()
    alerts.look()
    assert not alerts.open_alerts().exists()
    no_worker_lives()
    alerts.look()
    assert len(receiver.bodies) == 2


def test_what_comes_and_goes_within_minutes_is_one_episode(processes, receiver: Receiver) -> None:
    for _ in range(3):
        no_worker_lives()
        alerts.look()
        report(ProcessKind.WORKER)
        alerts.look()
    assert len(receiver.bodies) == 1
    assert Alert.objects.count() == 1


def test_a_channel_that_fails_is_tried_again_and_the_other_is_not_repeated(
    processes, receiver: Receiver, settings, caplog
) -> None:
    settings.ALERT_MAIL = ["operator@example.com"]
    receiver.status = 500
    no_worker_lives()
    alerts.look()
    assert Alert.objects.get().told_at is None
    assert "channel=webhook error=The webhook answered 500." in caplog.text
    assert "secret-part" not in caplog.text
    receiver.status = 200
    alerts.look()
    assert len(receiver.bodies) == 1  # its time has not come
    Alert.objects.update(try_after=Now())
    alerts.look()
    assert len(receiver.bodies) == 2
    assert len(mail.outbox) == 1
    assert Alert.objects.get().told_at is not None


def test_a_webhook_does_not_lead_on_to_another_address(processes, receiver: Receiver) -> None:
    receiver.status = 302
    with pytest.raises(delivery.NotDelivered, match="answered 302"):
        delivery.send_by_webhook(an_alert())


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:9/x", "https://127.0.0.1:9/x", "ftp://example.com", "nonsense", "http://[::1"]
)
def test_a_webhook_in_the_operators_network_must_be_allowed_by_name(db, settings, address: str) -> None:
    settings.ALERT_WEBHOOK = address
    with pytest.raises(delivery.NotDelivered):
        delivery.send_by_webhook(an_alert())


def test_an_episode_is_never_tried_without_end(processes, receiver: Receiver) -> None:
    receiver.status = 500
    no_worker_lives()
    alerts.look()
    Alert.objects.update(try_after=Now(), tries=alerts.MOST_TRIES)
    alerts.look()
    assert len(receiver.bodies) == 1


def test_work_that_waits_too_long_is_told_with_its_kind_and_no_tenant(processes, cast, receiver: Receiver) -> None:
    with scope(cast.acme.pk):
        PackageSet.objects.create(state="queued", requirements=[], requirements_digest="0" * 64, reason="testing")
        PackageSet.objects.update(not_before=Now() - timedelta(minutes=7))
    alerts.look()
    (body,) = receiver.bodies
    assert "packages.resolve has waited for 7 minutes; 1 pieces are due" in body["text"]
    assert "acme" not in json.dumps(body)


def test_little_room_on_the_disk_is_told(processes, receiver: Receiver, settings) -> None:
    settings.ALERT_FREE_MIB = 1 << 40
    alerts.look()
    assert receiver.bodies[0]["rule"] == "disk_space"


def test_lost_runs_are_told(processes, receiver: Receiver, monkeypatch) -> None:
    monkeypatch.setattr("apps.monitoring.measures._lost_lately", lambda: 2)
    alerts.look()
    assert "2 runs were lost within the last hour" in receiver.bodies[0]["text"]


def test_a_silent_scheduler_is_told_by_a_worker(db, receiver: Receiver, monkeypatch) -> None:
    report(ProcessKind.WORKER)
    monkeypatch.setattr(rounds, "_watching", rounds.Pace(0))
    rounds.watch_scheduler()
    assert [body["rule"] for body in receiver.bodies] == ["scheduler_silent"]


def test_the_scheduler_judges_beside_its_rounds(transactional_db, receiver: Receiver, monkeypatch) -> None:
    """A receiver that takes its time does not hold up the sweeps."""
    monkeypatch.setattr(rounds, "_judging", rounds.Pace(0))
    rounds.look_after_processes()
    for thread in [each for each in threading.enumerate() if each.name == rounds.JUDGING]:
        thread.join()
    assert "no_worker" in [body["rule"] for body in receiver.bodies]


def test_nobody_is_called_in_the_first_minute_after_a_start(db, receiver: Receiver, monkeypatch) -> None:
    monkeypatch.setattr(rounds, "_judging", rounds.Pace(alerts.LOOK_SECONDS))
    rounds.look_after_processes()
    assert receiver.bodies == []


def test_the_operator_s_health_page_and_the_figures_show_what_is_open(client: Client, processes, cast) -> None:
    no_worker_lives()
    alerts.look()
    cast.viewer.user.is_staff = True
    cast.viewer.user.save()
    client.force_login(cast.viewer.user)
    page = client.get("/w/acme/health/").content.decode()
    assert "No worker is alive" in page
    assert "Nobody was told" in page
    assert 'selfsmith_alerts{rule="no_worker"} 1.0' in client.get("/metrics").content.decode()


def an_alert() -> Alert:
    alert = Alert.objects.create(rule="no_worker", text="A test.")
    alert.refresh_from_db()
    return alert
