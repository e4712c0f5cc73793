"""What packages are resolved for: the Python and the C library of the box image, never those of this process."""

import platform
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from packaging.tags import Tag, compatible_tags, cpython_tags

# The box image is Debian 13 (trixie): Python 3.13, glibc 2.41. A wheel built for an older glibc runs on a newer one;
# 2.40 is the newest that the resolver can be told about.
BOX_PYTHON = "3.13"
BOX_GLIBC = (2, 40)
_OLDEST_GLIBC_MINOR = 5
_OLD_NAMES = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}


@dataclass(frozen=True)
class Target:
    """One Python on one platform."""

    python: str = BOX_PYTHON
    machine: str = field(default_factory=platform.machine)
    glibc: tuple[int, int] = BOX_GLIBC

    @property
    def platform(self) -> str:
        """The platform's name as the resolver knows it, such as ``x86_64-manylinux_2_40``."""
        return f"{self.machine}-manylinux_{self.glibc[0]}_{self.glibc[1]}"

    @cached_property
    def ranks(self) -> dict[Tag, int]:
        """Every wheel tag that runs here, with its rank: lower is more specific and preferred."""
        version = tuple(int(part) for part in self.python.split("."))
        platforms = list(self._platforms())
        tags = [
            *cpython_tags(version, abis=[f"cp{version[0]}{version[1]}"], platforms=platforms),
            *compatible_tags(version, interpreter=f"cp{version[0]}{version[1]}", platforms=platforms),
        ]
        return {tag: rank for rank, tag in reversed(list(enumerate(tags)))}

    @property
    def marker_environment(self) -> dict[str, str]:
        """The values of environment markers in the box (PEP 508)."""
        return {
            "implementation_name": "cpython",
            "implementation_version": f"{self.python}.0",
            "os_name": "posix",
            "platform_machine": self.machine,
            "platform_python_implementation": "CPython",
            "platform_release": "",
            "platform_system": "Linux",
            "platform_version": "",
            "python_full_version": f"{self.python}.0",
            "python_version": self.python,
            "sys_platform": "linux",
        }

    def rank(self, tags: frozenset[Tag]) -> int | None:
        """How well a wheel with these tags fits; None when it does not run here."""
        return min((self.ranks[tag] for tag in tags if tag in self.ranks), default=None)

    def _platforms(self) -> Iterator[str]:
        major, newest = self.glibc
        for minor in range(newest, _OLDEST_GLIBC_MINOR - 1, -1):
            yield f"manylinux_{major}_{minor}_{self.machine}"
            if minor in _OLD_NAMES:
                yield f"{_OLD_NAMES[minor]}_{self.machine}"
        yield f"linux_{self.machine}"
