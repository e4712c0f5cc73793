"""Where the runner finds things and whether it is really in a box; handed over on its command line as JSON."""

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Settings:
    """`confined` is False only under the test suite's fake driver: no other uid, no system call filter.

    `egress` is where a job's proxy listens, `relay_port` where the tool finds it; 0 takes any that is free.
    """

    socket: str = "/control/socket"
    egress: str = "/control/egress"
    relay_port: int = 3128
    environments: str = "/environments"
    wheels: str = "/wheels"
    work: str = "/tmp/work"
    scratch: tuple[str, ...] = ("/tmp", "/dev/shm")  # all that a tool can write to
    confined: bool = True

    def to_text(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_text(cls, text: str) -> "Settings":
        return cls(**json.loads(text))
