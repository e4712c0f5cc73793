"""A lock: exactly which files make up an environment. Its digest is what people vote on and what a build must match."""

from dataclasses import asdict, dataclass
from typing import Any

from apps.core.canonical import digest_of
from apps.core.errors import Invalid


class LockDamaged(Invalid):
    """A stored lock no longer has the digest that was voted on."""

    code = "lock_damaged"


@dataclass(frozen=True, order=True)
class Distribution:
    """One wheel: the hash decides, the address is only where it was seen last."""

    name: str
    version: str
    filename: str
    sha256: str
    url: str
    uploaded_at: str | None  # ISO 8601, as the index gives it


@dataclass(frozen=True)
class Lock:
    """Every wheel of an environment, for one Python, platform and index."""

    distributions: tuple[Distribution, ...]
    python: str
    platform: str
    index: str

    @property
    def text(self) -> str:
        """The lock as hash-checked requirement lines, sorted by name; any installer can read it."""
        return "".join(f"{each.name}=={each.version} --hash=sha256:{each.sha256}\n" for each in self.distributions)

    @property
    def digest(self) -> str:
        """SHA-256 (hex) over lock text, Python, platform and index."""
        content = {"index": self.index, "lock": self.text, "platform": self.platform, "python": self.python}
        return digest_of(content)

    def as_json(self) -> dict[str, Any]:
        return {
            "distributions": [asdict(each) for each in self.distributions],
            "index": self.index,
            "platform": self.platform,
            "python": self.python,
        }


def read_lock(stored: dict[str, Any], *, digest: str) -> Lock:
    """Rebuild a lock from what `Lock.as_json` gave, and check it.

    Raises: LockDamaged when its digest is not the given one.
    """
    lock = Lock(
        distributions=tuple(Distribution(**each) for each in stored["distributions"]),
        python=stored["python"],
        platform=stored["platform"],
        index=stored["index"],
    )
    if lock.digest != digest:
        raise LockDamaged("The stored lock is not the one that was approved.", expected=digest, found=lock.digest)
    return lock
