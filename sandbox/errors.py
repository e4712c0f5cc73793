"""What the sandbox raises: only for faults of the installation or of the caller, never for what a tool did."""

from pathlib import Path


class SandboxError(Exception):
    """Base of everything this library raises."""


class InvalidJob(SandboxError):
    """The job contradicts itself or the box it is meant for; sending it again would change nothing."""


class SandboxUnavailable(SandboxError):
    """No box can be had: the engine, the runtime, the image or the isolation is missing. Says what to do about it."""


class PoolBusy(SandboxUnavailable):
    """Others took every box for as long as a taker may wait. Nothing is broken; later there will be one."""


class TakeCancelled(SandboxError):
    """The taker was told to stop while it waited for a box."""


class BoxSpent(SandboxError):
    """A box does one job; this one has done its job or was destroyed."""


class RequestRefused(SandboxError):
    """Raised by a host's request handler: its message is raised inside the box, in the tool's own call."""


class EnvironmentRefused(SandboxError):
    """A package environment holds something that must never be mounted, or is not what its digest says."""


class TreeDamaged(SandboxError):
    """An unpacked wheel on this host is gone or no longer what its digest says. Unpacking it again is all that is needed."""

    def __init__(self, folder: Path, why: str) -> None:
        super().__init__(f"The unpacked wheel {folder.name} cannot be used: {why}.")
        self.folder = folder
