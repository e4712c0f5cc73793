"""The Celery application. Its one task says "there is work of this kind"; the rows hold everything else."""

from celery import Celery

from config.env import load_environment_file

load_environment_file()
app = Celery("selfsmith")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["apps.core"], related_name="dispatch")
