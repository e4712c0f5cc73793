"""manage.py check_engines: whether PostgreSQL, Redis and the stored files are as the platform needs them; changes nothing."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.monitoring.engines import find_fault


class Command(BaseCommand):
    help = "Check the database and Redis of the settings, for the role that SELFSMITH_DATABASE_ROLE names (app, owner)."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--tables", action="store_true", help="also what needs the tables: rights on them, and the stored files"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if fault := find_fault(has_tables=options["tables"]):
            raise CommandError(fault)
        self.stdout.write("All is as it should be.")
