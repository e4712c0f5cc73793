"""Removes from this host what nobody uses: environments, wheels of no lock, those unpacked, what was set aside. All of it can
be had again.

An environment goes when it was not used for ENVIRONMENTS_KEEP_DAYS, when every workspace that names it has released it,
or, least recently used first, when the disk is nearly full. Never one that a run uses or waits to use.
"""

import logging
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.db.models import Max, QuerySet
from django.db.models.functions import Now

from apps.core.tenancy import every_workspace
from apps.packages import configured, copies, trees, usage
from apps.packages.models import EnvironmentCopy, PackageSet
from sandbox import SandboxError
from sandbox.environment import remove_environment

log = logging.getLogger(__name__)
COLLECT_SECONDS = 600
MESSAGES = 4  # a round: each wakes some worker, and each host has a disk of its own
type Question = Callable[[str], bool]
_questions: list[Question] = []
_busy = threading.Lock()
_asked_at = {"seconds": float("-inf")}
_collected_at = {"seconds": float("-inf")}


def ask_before_removing(is_needed: Question) -> None:
    """Register who knows whether an environment, by its digest, is about to be used. In an app's ready()."""
    if is_needed not in _questions:
        _questions.append(is_needed)


def is_due() -> int:
    """For the scheduler: a few messages every COLLECT_SECONDS."""
    now = time.monotonic()
    if now - _asked_at["seconds"] < COLLECT_SECONDS:
        return 0
    _asked_at["seconds"] = now
    return MESSAGES


def collect() -> bool:
    """One round on this host, at most one in COLLECT_SECONDS / 2 by this process. Never asks for another."""
    if time.monotonic() - _collected_at["seconds"] > COLLECT_SECONDS / 2 and _busy.acquire(blocking=False):
        try:
            _collected_at["seconds"] = time.monotonic()
            collect_wheels()
            collect_trees()
            collect_environments()
            _forget_set_aside()
        finally:
            _busy.release()
    return False


def collect_environments() -> int:
    """Remove what may go; returns how many."""
    digests = sorted(_unused_long() | _released())
    removed = sum(_remove(digest) for digest in digests)
    for digest in _least_recent_first():
        if _free_bytes() >= settings.DISK_MIN_FREE_BYTES:
            break
        removed += _remove(digest)
    return removed


def collect_wheels() -> int:
    """Remove wheels that no set of packages names and that nobody fetched lately; returns how many."""
    with every_workspace(reason="wheels are public files and are shared by all workspaces"):
        locks = list(PackageSet.objects.current().filter(lock__isnull=False).values_list("lock", flat=True))
    named = {distribution["sha256"] for lock in locks if lock for distribution in lock["distributions"]}
    grace, removed = timedelta(hours=settings.ORPHANS_KEEP_HOURS), 0
    for wheel in _older_than(grace, Path(settings.HOME) / "wheels"):
        if wheel.name not in named:
            wheel.unlink(missing_ok=True)
            removed += 1
    return removed


def collect_trees() -> int:
    """Remove unpacked wheels: whose wheel is gone, that nobody used for as long as an environment is kept, or that boxes have
    stopped to make like this. Any of them, least recently used first, when the disk is nearly full. Returns how many.

    One that is being copied is made anew.
    """
    home, current = Path(settings.HOME), _edition()
    wheels = {path.name for path in home.joinpath("wheels").iterdir()} if home.joinpath("wheels").is_dir() else set()
    unused = set(_older_than(timedelta(days=settings.ENVIRONMENTS_KEEP_DAYS), home / trees.FOLDER))
    old = set(_older_than(timedelta(hours=settings.ORPHANS_KEEP_HOURS), home / trees.FOLDER))
    removed, kept = 0, []
    for place, edition, sha256 in trees.trees_in(home / trees.FOLDER):
        if sha256 not in wheels or place in unused or (place in old and current not in ("", edition)):
            trees.remove_tree(place)
            removed += 1
        else:
            kept.append(place)
    return removed + _make_room(kept)


def _make_room(places: list[Path]) -> int:
    """They save time and nothing else, so they go before any environment."""
    removed = 0
    for place in sorted(places, key=_last_change):
        if _free_bytes() >= settings.DISK_MIN_FREE_BYTES:
            break
        trees.remove_tree(place)
        removed += 1
    return removed


def _edition() -> str:
    """What boxes of this host unpack with today; empty when there are none."""
    try:
        return trees.edition_of(configured.driver())
    except SandboxError:
        return ""


def _forget_set_aside() -> None:
    """What was changed by somebody was kept for a while, to be looked into."""
    for place in _older_than(timedelta(days=settings.ENVIRONMENTS_KEEP_DAYS), Path(settings.HOME) / "set-aside"):
        remove_environment(place)


def _unused_long() -> set[str]:
    limit = Now() - timedelta(days=settings.ENVIRONMENTS_KEEP_DAYS)
    return set(_copies_here().filter(last_used_at__lt=limit).values_list("digest", flat=True))


def _released() -> set[str]:
    """What every workspace that names it has released after its last use."""
    used = dict(_copies_here().values_list("digest", "last_used_at"))
    with every_workspace(reason="environments are shared: what one workspace releases another may keep"):
        sets = PackageSet.objects.granted().filter(environment_digest__in=used).order_by()
        kept = set(sets.filter(released_at=None).values_list("environment_digest", flat=True))
        released = sets.exclude(environment_digest__in=kept).values("environment_digest").annotate(at=Max("released_at"))
        return {row["environment_digest"] for row in released if row["at"] and row["at"] > used[row["environment_digest"]]}


def _least_recent_first() -> list[str]:
    return list(_copies_here().order_by("last_used_at").values_list("digest", flat=True))


def _copies_here() -> QuerySet[EnvironmentCopy]:
    return EnvironmentCopy.objects.filter(host=copies.this_host())


def _remove(digest: str) -> bool:
    """Remove one that no run holds here and none waits for anywhere. The lock keeps a claim from coming between."""
    folder = configured.environments()
    with usage.unused(folder, digest) as is_free:
        if not is_free or any(is_needed(digest) for is_needed in _questions):
            return False
        remove_environment(folder / digest)
        copies.forget(digest)
    log.info("packages.collected digest=%s", digest)
    return True


def _free_bytes() -> int:
    return shutil.disk_usage(settings.HOME).free


def _older_than(age: timedelta, folder: Path) -> Iterator[Path]:
    """Entries that nobody has touched for so long. None when there is no such folder."""
    for path in list(folder.iterdir()) if folder.is_dir() else ():
        with suppress(FileNotFoundError):  # another worker tidies as well
            if time.time() - path.lstat().st_ctime > age.total_seconds():
                yield path


def _last_change(path: Path) -> float:
    """Zero for what is gone."""
    try:
        return path.lstat().st_ctime
    except FileNotFoundError:
        return 0.0
