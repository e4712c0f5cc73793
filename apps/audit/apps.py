"""Seals new records into each workspace's hash chain from the scheduler's round."""

from django.apps import AppConfig


class AuditConfig(AppConfig):
    name = "apps.audit"

    def ready(self) -> None:
        from apps.audit import services
        from apps.core.dispatch import register_work

        register_work("audit.seal", step=lambda: False, sweep=services.seal_records, pending=lambda: 0)
