"""The figures in the form that Prometheus reads. Labels are kinds, states and processes, never tenants."""

from collections.abc import Iterable, Iterator, Mapping

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from apps.monitoring.alerts import open_alerts
from apps.monitoring.measures import Measures, take_measures
from apps.monitoring.models import ProcessKind
from apps.monitoring.rules import RULES


def render_metrics() -> bytes:
    """A fresh look at everything, as text."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Look(take_measures()))
    return generate_latest(registry)


class _Look(Collector):
    """One look's figures. A process of ours holds no figures between two looks: several web processes would differ."""

    def __init__(self, measures: Measures) -> None:
        self._measures = measures

    def collect(self) -> Iterable[GaugeMetricFamily]:
        now = self._measures
        yield _labelled("selfsmith_runs", "Open runs by state.", "state", now.runs)
        yield _labelled("selfsmith_runs_ended_lately", "The last hour's runs that ended, by state.", "state", now.ended_lately)
        yield _labelled("selfsmith_lease_losses_lately", "Vanished holders of the last hour's work.", "kind", now.losses_lately)
        due = {kind: queue.due for kind, queue in now.queues.items()}
        age = {kind: queue.age_seconds for kind, queue in now.queues.items()}
        yield _labelled("selfsmith_queue_due", "Rows that wait for a worker.", "kind", due)
        yield _labelled("selfsmith_queue_age_seconds", "How long the oldest of them has waited.", "kind", age)
        yield from self._of_processes()
        open_ones = set(open_alerts().values_list("rule", flat=True))
        yield _labelled("selfsmith_alerts", "Rules that find something now.", "rule", {name: name in open_ones for name in RULES})
        yield _plain("selfsmith_disk_free_bytes", "Free bytes where the data lies.", now.free_bytes)

    def _of_processes(self) -> Iterator[GaugeMetricFamily]:
        workers = [each for each in self._measures.processes if each.kind == ProcessKind.WORKER]
        yield _plain("selfsmith_workers", "Living workers.", len(self._measures.living(ProcessKind.WORKER)))
        yield _plain("selfsmith_schedulers", "Living schedulers.", len(self._measures.living(ProcessKind.SCHEDULER)))
        seen = {each.name: each.seen_seconds_ago for each in workers}
        yield _labelled("selfsmith_worker_seen_seconds_ago", "When a worker reported last.", "worker", seen)
        boxes = {each.name: each.warm_boxes for each in workers}
        yield _labelled("selfsmith_warm_boxes", "Boxes that wait for a job.", "worker", boxes)


def _plain(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, text, value=value)


def _labelled(name: str, text: str, label: str, values: Mapping[str, float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=[label])
    for key, value in values.items():
        family.add_metric([str(key)], value)
    return family
