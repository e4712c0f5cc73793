"""The Celery application. Its one task says "there is work of this kind"; the rows hold everything else."""

from typing import Any

from celery import Celery
from celery.signals import worker_ready, worker_shutdown

from config.env import load_environment_file

load_environment_file()
app = Celery("selfsmith")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["apps.core"], related_name="dispatch")


@worker_ready.connect
def start_boxes(**_: Any) -> None:
    """A worker with a wrong root key must not write; one that serves has boxes waiting."""
    from apps.runs.boxes import warm_up
    from apps.vault.keys import verify_root_key

    verify_root_key()
    warm_up()


@worker_shutdown.connect
def close_boxes(**_: Any) -> None:
    from apps.runs.boxes import close_pool

    close_pool()
