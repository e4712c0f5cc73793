"""Which Selfsmith is meant, and with which token: as said, else by the environment, else by what `selfsmith login` kept."""

import json
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from selfsmith.errors import NotConfigured

URL, TOKEN, PLACE = "SELFSMITH_URL", "SELFSMITH_TOKEN", "SELFSMITH_CONFIG"
ONLY_MINE = 0o600
SIGN_IN = "Say `selfsmith login ADDRESS`, or set SELFSMITH_URL and SELFSMITH_TOKEN."


@dataclass(frozen=True)
class Account:
    """An address and the token for it. The token is left out of what is shown."""

    url: str
    token: str = field(repr=False)


def account(url: str | None = None, token: str | None = None) -> Account:
    """The account to use. A token that was kept goes to the address for which it was kept, and to no other.

    Raises: NotConfigured
    """
    wanted = url or os.environ.get(URL) or ""
    given = token or os.environ.get(TOKEN) or ""
    kept = read_kept()
    if not wanted and kept is not None:
        wanted = kept.url
    if not wanted:
        raise NotConfigured(f"Which Selfsmith is meant has not been said. {SIGN_IN}")
    address = clean_url(wanted)
    if not given and kept is not None and kept.url == address:
        given = kept.token
    if not given:
        raise NotConfigured(f"There is no token for {address}. {SIGN_IN}")
    return Account(address, given)


def clean_url(url: str) -> str:
    """An address as it is kept and compared: scheme, host and path, nothing else.

    Raises: NotConfigured
    """
    wrong = NotConfigured(f"{url!r} is no address of a Selfsmith: it begins with https:// or http:// and names a host.")
    try:
        parts = urlsplit(url.strip())
    except ValueError:
        raise wrong from None
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query or parts.fragment:
        raise wrong
    return f"{parts.scheme}://{parts.netloc.lower()}{parts.path.rstrip('/')}"


def place() -> Path:
    """The file of `selfsmith login`."""
    if chosen := os.environ.get(PLACE):
        return Path(chosen)
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "selfsmith" / "account.json"


def read_kept() -> Account | None:
    """What `selfsmith login` kept, if anything.

    Raises: NotConfigured, where others could read the file too, or it is damaged
    """
    try:
        mode, text = stat.S_IMODE(place().stat().st_mode), place().read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    if os.name == "posix" and mode & 0o077:
        raise NotConfigured(f"Others can read {place()}, which holds a token. Say `chmod 600 {place()}`, and make a new token.")
    try:
        told = json.loads(text)
        return Account(clean_url(told["url"]), str(told["token"]))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise NotConfigured(f"{place()} is damaged. Say `selfsmith login ADDRESS` again.") from error


def keep(kept: Account) -> Path:
    """Write the file anew, readable for its owner alone from the first byte on."""
    target = place()
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, ONLY_MINE), "w", encoding="utf-8") as file:
        json.dump({"url": kept.url, "token": kept.token}, file)
    draft.replace(target)
    return target


def forget() -> bool:
    """Remove what was kept; whether there was anything."""
    existed = place().exists()
    place().unlink(missing_ok=True)
    return existed
