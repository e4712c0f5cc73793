"""Lets the scheduler close the requests whose time is over."""

from django.apps import AppConfig


class ApprovalsConfig(AppConfig):
    name = "apps.approvals"

    def ready(self) -> None:
        from apps.approvals import expiry
        from apps.core.dispatch import register_work

        register_work("approvals.expire", step=lambda: False, sweep=expiry.expire_requests, pending=lambda: 0)
