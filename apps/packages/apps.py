"""Registers the approval kind "packages" and the kinds of work: to resolve, to build, to collect what nobody uses."""

from django.apps import AppConfig


class PackagesConfig(AppConfig):
    name = "apps.packages"

    def ready(self) -> None:
        from apps.approvals import kinds
        from apps.core.dispatch import register_work
        from apps.packages import approval, collection, work
        from apps.packages.transitions import BUILD, RESOLVE

        kinds.register(approval.PACKAGES)
        register_work(RESOLVE, step=work.resolve_next, sweep=work.sweep_lost_resolutions, pending=work.count_due_resolutions)
        register_work(BUILD, step=work.build_next, sweep=work.sweep_lost_builds, pending=work.count_due_builds)
        register_work("packages.collect", step=collection.collect, sweep=lambda: 0, pending=collection.is_due)
