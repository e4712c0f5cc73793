"""Functions: named callables, kept as immutable versions that boxes run."""

from django.apps import AppConfig


class FunctionsConfig(AppConfig):
    name = "apps.functions"

    def ready(self) -> None:
        from apps.approvals.kinds import register
        from apps.functions.capabilities import CAPABILITIES
        from apps.functions.promotion import PROMOTION

        register(CAPABILITIES)
        register(PROMOTION)
