"""One small job that proves, from inside a box, what the platform relies on."""

from sandbox.box import Box
from sandbox.errors import SandboxUnavailable
from sandbox.job import Job, Source

_PROBE = """
import ctypes, os, socket

def probe():
    libc = ctypes.CDLL(None, use_errno=True)
    new_user_namespace = 0x10000000
    return {
        "uid": os.getuid(),
        "new namespace refused": libc.unshare(new_user_namespace) != 0,
        "no second door": socket.socket(socket.AF_UNIX).connect_ex("/control/socket") != 0,
        "no network": {name for _, name in socket.if_nameindex()} <= {"lo"},
        "root is read-only": not os.access("/usr", os.W_OK) and not os.access("/control", os.W_OK),
        "no engine socket": not os.path.exists("/var/run/docker.sock") and not os.path.exists("/run/docker.sock"),
    }
"""


def run_canary(box: Box, *, must_be_gvisor: bool) -> None:
    """Spend a box on finding out whether boxes hold.

    Raises: SandboxUnavailable naming what does not.
    """
    if must_be_gvisor and not box.is_gvisor:
        raise SandboxUnavailable(f"The box does not run on gVisor but on: {box.kernel}.")
    outcome = box.run(Job(sources=(Source("probe", _PROBE, "probe"),)), on_event=lambda event: None)
    if not outcome.ok:
        raise SandboxUnavailable(f"A trial run in a box ended with {outcome.kind}: {outcome.message}")
    wrong = [name for name, holds in outcome.result.items() if not holds]
    if wrong or outcome.result["uid"] != 65534:
        raise SandboxUnavailable(f"A trial run in a box found that this does not hold: {', '.join(wrong)}.")
