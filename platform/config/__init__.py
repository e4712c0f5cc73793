"""The Django project: settings, addresses, and the ASGI and Celery applications. No domain logic."""

from config.celery import app as celery_app  # every process wakes workers through it, whatever it was started as

__all__ = ["celery_app"]
