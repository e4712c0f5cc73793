"""Packages: resolved, judged, voted on, and built into environments that runs mount."""

from django.apps import AppConfig


class PackagesConfig(AppConfig):
    name = "apps.packages"
