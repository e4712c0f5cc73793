"""SELFSMITH_HOME: where everything that an installation knows lies, and the keys that are made for it."""

from __future__ import annotations

import base64
import fcntl
import os
import pwd
import secrets
import shutil
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Optional, TextIO

from .errors import SetupError

SYSTEM_HOME = Path("/var/lib/selfsmith")
LONGEST_SOCKET = 107  # bytes of a path in sockaddr_un, without the closing zero


@dataclass(frozen=True)
class Home:
    """The folders of one installation. Nothing else in the installer puts a path together."""

    path: Path

    @property
    def keys(self) -> Path:
        return self.path / "keys"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def run(self) -> Path:
        return self.path / "run"

    @property
    def postgres_data(self) -> Path:
        return self.path / "postgres"

    @property
    def postgres_socket_folder(self) -> Path:
        return self.run / "postgres"

    @property
    def redis_data(self) -> Path:
        return self.path / "redis"

    @property
    def redis_socket(self) -> Path:
        return self.redis_data / "redis.sock"

    @property
    def stamps(self) -> Path:
        return self.path / "stamps"

    @property
    def environment_file(self) -> Path:
        return self.path / "environment"

    @property
    def installation(self) -> str:
        """A random name that tells this installation's containers from those of others."""
        return (self.path / "installation").read_text().strip()


def choose_home(environment: Mapping[str, str], checkout: Path, *, is_root: bool) -> Home:
    """`var/` in the checkout, or the system folder when run by root from a place that user postgres cannot enter."""
    if environment.get("SELFSMITH_HOME"):
        return Home(Path(environment["SELFSMITH_HOME"]).absolute())
    if is_root and not is_open_to_others(checkout):
        return Home(SYSTEM_HOME)
    return Home(checkout / "var")


def is_open_to_others(folder: Path) -> bool:
    """Whether every account may pass through the folder and those above it."""
    return all(place.stat().st_mode & stat.S_IXOTH for place in (folder, *folder.parents))


def make_home(home: Home) -> bool:
    """Makes the folders and the keys that are missing. True when the home is new.

    Raises: SetupError when the folder cannot be written or lies too deep.
    """
    check_depth(home)
    is_new = not home.path.exists()
    try:
        for folder, mode in ((home.path, 0o711), (home.keys, 0o700), (home.logs, 0o700), (home.run, 0o711), (home.stamps, 0o700)):
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(mode)
        make_key(home.keys / "django_secret_key", secrets.token_urlsafe(64))
        make_key(home.keys / "vault_root_key", base64.b64encode(secrets.token_bytes(32)).decode())
        make_key(home.path / "installation", secrets.token_hex(6))
    except PermissionError as error:
        raise SetupError(
            f"{error.filename} cannot be written by {pwd.getpwuid(os.geteuid()).pw_name}.",
            "Run it as the account that made the folder, or set SELFSMITH_HOME to another folder.",
        ) from error
    return is_new


def make_key(path: Path, value: str) -> None:
    """Writes a key once; one that is there is never touched, for what it locked could not be opened again."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400)
    except FileExistsError:
        return
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(value + "\n")


def check_depth(home: Home) -> None:
    """Raises: SetupError when PostgreSQL's socket would have a longer path than the kernel takes."""
    socket_path = os.fsencode(home.postgres_socket_folder / ".s.PGSQL.5432.lock")
    if len(socket_path) > LONGEST_SOCKET:
        raise SetupError(
            f"The path of {home.path} is too long for a socket inside it.",
            "Set SELFSMITH_HOME to a shorter one, for example SELFSMITH_HOME=/srv/selfsmith.",
        )


def lock_home(home: Home) -> TextIO:
    """Holds the home for this process until the file that is returned is closed.

    Raises: SetupError when another start holds it.
    """
    file = open(home.run / "lock", "a+", encoding="utf-8")  # noqa: SIM115  the lock lives as long as the file is open
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.seek(0)
        raise SetupError(
            f"Selfsmith already runs with the home {home.path} (process {file.read().strip() or 'unknown'}).",
            "Use that one, or stop it with Ctrl-C in its terminal.",
        ) from error
    file.truncate(0)
    file.write(f"{os.getpid()}\n")
    file.flush()
    return file


def give_to(account: Optional[str], folder: Path, mode: int) -> None:
    """Makes a folder that belongs to the account (None: to whoever runs this)."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(mode)
    if account:
        shutil.chown(folder, account, account)
