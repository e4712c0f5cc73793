"""What of a run's words is kept, as its version says: a JSON object `logging`, empty for everything."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self
from uuid import UUID

from apps.functions.logging import LEVELS

_ALIASES = {"warn": "warning", "critical": "error", "fatal": "error", "exception": "error"}


@dataclass(frozen=True)
class LogPolicy:
    """`sample` n keeps the output of one run in n; lines of func.log from "warning" on are kept of every run."""

    level: str = "debug"
    sample: int = 1
    stores_arguments: bool = True
    is_sampled: bool = True

    @classmethod
    def of(cls, logging: Mapping[str, Any], run_id: UUID) -> Self:
        """The same run is always decided alike, also at another attempt."""
        sample = int(logging.get("sample", 1))
        return cls(
            level=str(logging.get("level", "debug")),
            sample=sample,
            stores_arguments=bool(logging.get("store_arguments", True)),
            is_sampled=run_id.int % sample == 0,
        )

    def keeps_line(self, level: str) -> bool:
        """Whether a line of func.log is stored."""
        rank = LEVELS.index(level)
        return rank >= LEVELS.index(self.level) and (self.is_sampled or rank >= LEVELS.index("warning"))


def known_level(said: str) -> str:
    """The nearest of the four levels to what a tool called it."""
    level = said.strip().lower()
    level = _ALIASES.get(level, level)
    return level if level in LEVELS else "info"
