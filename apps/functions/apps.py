"""Functions: named callables, kept as immutable versions that boxes run."""

from django.apps import AppConfig


class FunctionsConfig(AppConfig):
    name = "apps.functions"
