"""The embedded settings with one guard taken away by name, for showing that the checker notices."""

from config.settings.embedded import *  # noqa: F403

INSTALLED_APPS = [*INSTALLED_APPS, "tests.chaos.saboteur.Saboteur"]  # noqa: F405
