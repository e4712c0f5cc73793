"""Registers the approval kind "packs"."""

from django.apps import AppConfig


class PacksConfig(AppConfig):
    name = "apps.packs"

    def ready(self) -> None:
        from apps.approvals import kinds
        from apps.packs import approval

        kinds.register(approval.PACKS)
