"""Installs what the models declare (row level security, composite keys, triggers) after each migration."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class CoreConfig(AppConfig):
    name = "apps.core"

    def ready(self) -> None:
        from apps.core.database import install_after_migrate

        post_migrate.connect(install_after_migrate, dispatch_uid="core.database")
