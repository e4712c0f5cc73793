"""What a job says while it runs. All of it is the box's word: text and numbers to store and show, never to trust."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from sandbox.errors import RequestRefused


@dataclass(frozen=True)
class Output:
    """Bytes as the tool wrote them: perhaps not UTF-8, perhaps with control characters. Store raw, escape to show."""

    stream: Literal["stdout", "stderr"]
    data: bytes


@dataclass(frozen=True)
class OutputCut:
    """Told once: more was printed than `limit` bytes, and what follows is not passed on."""

    limit: int


@dataclass(frozen=True)
class SpanStarted:
    """One function begins; `parent` is the span that called it, None for the job's entry."""

    id: str
    parent: str | None
    function: str
    arguments_preview: str


@dataclass(frozen=True)
class SpanEnded:
    """The same function ends: with a result, or with an error and the line in the function where it came up.

    Arguments only where they could not be told at the start.
    """

    id: str
    parent: str | None
    function: str
    seconds: float
    result_preview: str | None = None
    error: str | None = None
    line: int | None = None
    arguments_preview: str | None = None


@dataclass(frozen=True)
class SpansDropped:
    """Told once: more calls were made than `Limits.spans`; those are not recorded."""


@dataclass(frozen=True)
class Progress:
    """How far the tool says it is: 0.0 to 1.0."""

    fraction: float
    text: str


@dataclass(frozen=True)
class Log:
    """One line that the tool wrote by `func.log`."""

    level: str
    text: str


@dataclass(frozen=True)
class Item:
    """The next item of a result that comes item by item; its text had so many bytes."""

    value: Any
    size: int


@dataclass(frozen=True)
class ArtifactStarted:
    """A file follows. The name is a relative path of plain parts, checked by the host."""

    name: str


@dataclass(frozen=True)
class ArtifactData:
    """The next bytes of the file that was started last."""

    data: bytes


@dataclass(frozen=True)
class ArtifactEnded:
    """The file is whole: size and SHA-256 as counted by the host."""

    name: str
    sha256: str
    size: int


@dataclass(frozen=True)
class ArtifactAbandoned:
    """The file that was started last will not become whole: the tool gave it up, or ended in the middle of it."""

    name: str


@dataclass(frozen=True)
class ArtifactSkipped:
    """A file that the tool left behind and that was not taken, with the reason for its author."""

    name: str
    reason: str


@dataclass(frozen=True)
class Connection:
    """One attempt of a tool to reach a host, as its proxy saw it. The verdict and the counts are the proxy's own; `host`
    and `reason` may hold what the tool wrote. `port` is None when nothing could be made of that.

    `failed` is what was granted and did not answer; an `allowed` one with a reason was cut.
    """

    host: str
    port: int | None
    verdict: Literal["allowed", "refused", "failed"]
    reason: str
    sent: int
    received: int
    seconds: float


@dataclass(frozen=True)
class HostRequest:
    """The tool asks its host for something and waits; answered by the `on_request` callback."""

    verb: str
    payload: dict[str, Any] = field(default_factory=dict)


Event = (
    Output
    | OutputCut
    | SpanStarted
    | SpanEnded
    | SpansDropped
    | Progress
    | Log
    | Item
    | ArtifactStarted
    | ArtifactData
    | ArtifactEnded
    | ArtifactAbandoned
    | ArtifactSkipped
    | Connection
)
OnEvent = Callable[[Event], None]
OnRequest = Callable[[HostRequest], Any]


def refuse_requests(request: HostRequest) -> Any:
    """The handler of a host that offers nothing."""
    raise RequestRefused(f"This run may not ask its host for {request.verb!r}.")
