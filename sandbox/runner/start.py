"""Starts the runner. Imports beforehand what most tools import, so that no job waits for it."""

import asyncio  # noqa: F401
import csv  # noqa: F401
import datetime  # noqa: F401
import importlib
import math  # noqa: F401
import random  # noqa: F401
import re  # noqa: F401
import statistics  # noqa: F401
import sys
import typing  # noqa: F401

from .settings import Settings
from .supervisor import main


def start(settings: str) -> None:
    """Run with these settings. Takes the runner's own folder off the import path, so that no tool finds it there."""
    sys.path.pop(0)
    importlib.invalidate_caches()
    main(Settings.from_text(settings))
