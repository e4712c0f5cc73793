"""manage.py backup: everything but the keys, into a new folder, while everything runs."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.core.errors import DomainError
from apps.monitoring.backup import make_backup


class Command(BaseCommand):
    help = "Back up database and files into a new folder, keys excepted (call it with SELFSMITH_DATABASE_ROLE=owner)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", type=Path, help="a folder that does not exist yet, or is empty")
        parser.add_argument(
            "--environments",
            action="store_true",
            help="also the built environments; without them they are built anew when needed",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            made = make_backup(options["folder"], with_environments=options["environments"], say=self.stderr.write)
        except DomainError as error:
            raise CommandError(error.message) from error
        self.stdout.write(f"Backed up the database and {made.files} files ({made.bytes} bytes) into {options['folder']}.")
        self.stdout.write(
            f"The root key is not in it. Keep it elsewhere: without {', '.join(made.root_keys) or 'it'} no secret opens again."
        )
