"""The parts of this app as the installation's settings say: index, cooldown, and where things lie."""

from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

from django.conf import settings

from apps.packages.index import PackageIndex
from apps.packages.resolver import Resolver
from apps.packages.wheels import WheelStore
from sandbox import DockerDriver, Driver, place_runner


def index() -> PackageIndex:
    return PackageIndex(settings.PACKAGES_INDEX)


def resolver() -> Resolver:
    cooldown = timedelta(days=settings.PACKAGES_COOLDOWN_DAYS)
    return Resolver(index(), Path(settings.HOME) / "cache" / "uv", cooldown=cooldown)


def wheel_store() -> WheelStore:
    return WheelStore(Path(settings.HOME) / "wheels", index())


def environments() -> Path:
    """The folder that every box sees, read-only; one folder in it per environment, named by its digest."""
    return Path(settings.HOME) / "environments"


@cache
def driver() -> Driver:
    """What makes boxes on this host; checked once.

    Raises:
        sandbox.SandboxUnavailable: with what to do about it. Nothing weaker is ever used instead.
    """
    made = DockerDriver(
        image=settings.BOX_IMAGE,
        runtime="runc" if settings.SANDBOX_RUNTIME == "runc" else "runsc",
        home=Path(settings.HOME) / "boxes",
        environments=environments(),
        installation=settings.INSTALLATION,
        **_runner(),
    )
    made.check()
    return made


def _runner() -> dict[str, Any]:
    """A worker in a container has its sources where the engine does not see them, and puts a copy where it does."""
    if not settings.RUNNER_FOLDER:
        return {}
    return {"runner": place_runner(Path(settings.RUNNER_FOLDER))}
