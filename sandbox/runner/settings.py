"""Where the runner finds things and whether it is really in a box; handed over on its command line as JSON."""

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Settings:
    """`confined` is False only under the test suite's fake driver: no other uid, no system call filter."""

    socket: str = "/control/socket"
    environments: str = "/environments"
    wheels: str = "/wheels"
    work: str = "/tmp/work"
    confined: bool = True

    def to_text(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_text(cls, text: str) -> "Settings":
        return cls(**json.loads(text))
