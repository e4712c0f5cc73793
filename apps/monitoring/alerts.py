"""One alert per episode: it begins when a rule first finds something, and ends when it has found nothing for a while.

Several processes may look at once; a unique index lets one of them begin the episode.
"""

import logging
from collections.abc import Iterable
from datetime import timedelta

from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from apps.monitoring import delivery
from apps.monitoring.measures import take_measures
from apps.monitoring.models import Alert
from apps.monitoring.rules import RULES

log = logging.getLogger(__name__)
LOOK_SECONDS = 60
QUIET = timedelta(minutes=5)  # what comes and goes within this time is one episode
TRY_AGAIN = timedelta(minutes=2)
MOST_TRIES = 30  # an hour; then the health page alone tells of it


def open_alerts() -> "QuerySet[Alert]":
    """The episodes that go on, the newest first."""
    return Alert.objects.filter(ended_at=None).order_by("-began_at")


def look(names: Iterable[str] = tuple(RULES)) -> None:
    """Judge the figures by these rules, and tell people of what they do not know yet."""
    measures = take_measures()
    for name in names:
        if text := RULES[name](measures):
            _note(name, text)
        else:
            open_alerts().filter(rule=name, seen_at__lt=Now() - QUIET).update(ended_at=Now())
    tell()


def _note(rule: str, text: str) -> None:
    begun = Alert.objects.bulk_create([Alert(rule=rule, text=text)], ignore_conflicts=True)
    noted = open_alerts().filter(rule=rule)
    noted.update(seen_at=Now(), text=text)
    if noted.filter(pk__in=[alert.pk for alert in begun]).exists():
        log.error("alert.began rule=%s text=%s", rule, text)


def tell() -> None:
    """Send what nobody has been told, by every channel that is set up. One process sends at a time; what fails is tried again."""
    waiting = open_alerts().filter(Q(try_after=None) | Q(try_after__lte=Now()), told_at=None, tries__lt=MOST_TRIES)
    for alert in list(waiting):
        taken = waiting.filter(pk=alert.pk).update(try_after=Now() + TRY_AGAIN, tries=alert.tries + 1)
        if taken and delivery.channels():
            _send(alert)


def _send(alert: Alert) -> None:
    told = set(alert.told_by)
    for name, send in delivery.channels().items():
        if name in told:
            continue
        try:
            send(alert)
        except delivery.NotDelivered as problem:
            log.error("alert.not_sent rule=%s channel=%s error=%s", alert.rule, name, problem)
        else:
            told.add(name)
    done = told >= delivery.channels().keys()
    Alert.objects.filter(pk=alert.pk).update(told_by=sorted(told), **({"told_at": Now()} if done else {}))
