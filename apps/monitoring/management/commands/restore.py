"""manage.py restore: a backup into an empty installation."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from apps.core.errors import DomainError
from apps.monitoring.restore import restore_backup, root_key_problem
from apps.runs.after_restore import end_what_may_have_happened


class Command(BaseCommand):
    help = "Restore a backup into an empty installation whose processes are stopped (SELFSMITH_DATABASE_ROLE=owner)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", type=Path, help="what `backup` wrote")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            manifest = restore_backup(options["folder"], say=self.stderr.write)
        except DomainError as error:
            raise CommandError(error.message) from error
        call_command("migrate", interactive=False, verbosity=0)  # a backup of an older version
        ended = end_what_may_have_happened()
        self.stdout.write(f"Restored the backup of {manifest.made_at} (version {manifest.version}): {manifest.files} files.")
        if ended:
            self.stdout.write(
                f"{ended} runs that waited and must not be done twice were ended: they may have been executed since."
            )
        if problem := root_key_problem(manifest):
            self.stderr.write(problem)
