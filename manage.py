#!/usr/bin/env python
"""Django's command line, with the environment of the installation that it stands in."""

import sys

from config.env import load_environment_file


def main() -> None:
    load_environment_file()
    from django.core.management import execute_from_command_line  # after the settings module is known

    import config.celery  # noqa: F401  the application by which commands wake workers

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
