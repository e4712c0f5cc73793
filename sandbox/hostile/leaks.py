"""Programs that look for what they should not learn: about the host, its other work, and who else was here."""

from sandbox.hostile.program import Theme, nothing_reached, returns
from sandbox.outcome import Kind

THEME = Theme("leaks")
_attack, _probe = THEME.attack, THEME.probe

_probe(
    "name-of-the-host",
    "Asks for the host's name in every way that there is.",
    """
import platform, socket

NAMES = {"uname": lambda: os.uname().nodename, "gethostname": socket.gethostname, "platform": platform.node,
         "file": lambda: open("/etc/hostname").read().strip(), "kernel": lambda: open("/proc/sys/kernel/hostname").read().strip(),
         "environment": lambda: os.environ.get("HOSTNAME", "sandbox")}

def other_than(expected, find):
    if find() in expected:
        raise OSError(errno.ENOENT, "the same for every box")

def main():
    return {name: attempt(other_than, ("sandbox", ""), find) for name, find in NAMES.items()}

def control():
    return {name: attempt(other_than, ("sandbox", ""), NAMES[name]) for name in ("uname", "gethostname")}
""",
    expected="sandbox, in every box",
)
_probe(
    "name-service-of-the-host",
    "Reads which name service the host uses, and its search domains.",
    """
def lines(path, expected):
    with open(path) as file:
        told = [line.split() for line in file if line.strip() and not line.startswith("#")]
    if not [words for words in told if words not in expected]:
        raise OSError(errno.ENOENT, "the same for every box")

BOXED = (["nameserver", "127.0.0.1"], ["options", "ndots:0"])

def main():
    return {"resolv.conf": attempt(lines, "/etc/resolv.conf", BOXED)}

def control():
    with open("resolv.conf", "w") as file:
        file.write("nameserver 10.1.2.3\\nsearch corp.example\\n")
    return {"resolv.conf": attempt(lines, "resolv.conf", BOXED)}
""",
)
_probe(
    "identity-of-the-container",
    "Searches everything that it can read about itself for the long numbers by which engines name containers.",
    """
import re

LONG = re.compile(rb"(?<![0-9a-f])(?:[0-9a-f]{64}|[0-9a-f]{32}|[0-9a-f]{12})(?![0-9a-f])")

def search(path):
    with open(path, "rb") as file:
        if not LONG.search(file.read(1 << 20).replace(b"000000000000", b"")):
            raise OSError(errno.ENOENT, "no such number")

def main():
    names = ("cgroup", "mountinfo", "mounts", "environ", "cmdline", "status", "comm")
    paths = [f"/proc/{process}/{name}" for process in ("self", "1") for name in names]
    paths += ["/etc/hostname", "/etc/hosts", "/etc/resolv.conf", "/proc/cmdline", "/proc/version", "/proc/mounts", "/etc/machine-id"]
    return {path: attempt(search, path) for path in paths}

def control():
    with open("cgroup", "w") as file:
        file.write("5:memory:/docker/" + "3f" * 32)
    return {"cgroup": attempt(search, "cgroup")}
""",
)
_probe(
    "paths-of-the-host",
    "Looks in the table of mounts for folders of the host.",
    """
WORDS = (b"/var/lib", b"/home/", b"/root/", b"docker", b"lowerdir", b"selfsmith-boxes", b"/dev/vd", b"/dev/sd", b"upperdir")

def search(path):
    with open(path, "rb") as file:
        # The runner's own place in the box is called /opt/selfsmith: that is no secret.
        text = file.read(1 << 20)
    if not [word for word in WORDS if word in text]:
        raise OSError(errno.ENOENT, "nothing of the host")

def main():
    return {path: attempt(search, path) for path in ("/proc/self/mountinfo", "/proc/mounts", "/proc/self/cgroup", "/proc/cmdline")}

def control():
    return {"/proc/self/mountinfo": attempt(search, "/proc/self/mountinfo")}
""",
)
_probe(
    "variables-of-the-host",
    "Looks in its environment, and in that of the first process, for what the host or another run left there.",
    """
EXPECTED = {"PATH", "LANG", "HOME", "HOSTNAME", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE", "MALLOC_ARENA_MAX",
            "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "LC_CTYPE"}

def others(names):
    if not set(names) - EXPECTED:
        raise OSError(errno.ENOENT, "only what every box has")

def of_process(pid):
    with open(f"/proc/{pid}/environ", "rb") as file:
        return [entry.split(b"=")[0].decode() for entry in file.read().split(b"\\0") if entry]

def main():
    return {"own": attempt(lambda: others(os.environ)), "of the first": attempt(lambda: others(of_process(1)))}

def control():
    os.environ["A_SECRET_OF_THE_HOST"] = "x"
    return {"own": attempt(lambda: others(os.environ))}
""",
)
_probe(
    "other-processes",
    "Looks for processes of the host or of other boxes.",
    """
def others(expected):
    seen = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    if not set(seen) - expected:
        raise OSError(errno.ESRCH, "nobody else")

def main():
    return {"processes": attempt(others, {1, os.getpid()})}

control = main
""",
)
_probe(
    "environments-of-others",
    "Lists the package environments, among which other workspaces' are.",
    """
def main():
    return {"list": attempt(os.listdir, "/environments"), "walk": attempt(lambda: list(os.scandir("/environments")))}

def control():
    os.mkdir("environments")
    return {"list": attempt(os.listdir, "environments"), "walk": attempt(lambda: list(os.scandir("environments")))}
""",
)
_probe(
    "what-earlier-runs-left",
    "Looks for files that another run left in a place that it can read.",
    """
def left(places, expected):
    found = [os.path.join(place, name) for place in places if os.path.isdir(place) for name in os.listdir(place)]
    if not [path for path in found if path not in expected]:
        raise OSError(errno.ENOENT, "nothing")

def main():
    return {"files": attempt(left, ("/tmp", "/dev/shm", "/var/tmp", "/run/lock", "/tmp/work/artifacts", "/tmp/work/inputs"), ("/tmp/work",))}

def control():
    open("left", "w").close()
    return {"files": attempt(left, (".",), ())}
""",
)
_probe(
    "kernel-of-the-host",
    "Reads the host's kernel: its messages, symbols, memory and configuration.",
    """
def read(path):
    with open(path, "rb") as file:
        if not file.read(16):
            raise OSError(errno.ENOENT, "empty")

def kernel_of_linux():
    if os.uname().release.startswith("4.4.0") and "Jan 10 15:06:54 PST 2016" in os.uname().version:
        raise OSError(errno.ENOENT, "gVisor's own")

def main():
    paths = ("/proc/kcore", "/proc/kallsyms", "/proc/kmsg", "/proc/modules", "/proc/config.gz", "/proc/iomem", "/proc/keys",
             "/proc/diskstats", "/proc/partitions", "/proc/timer_list", "/proc/sched_debug", "/proc/slabinfo", "/proc/vmallocinfo",
             "/sys/firmware/dmi/tables/DMI", "/sys/kernel/debug/tracing/trace", "/sys/class/dmi/id/product_uuid",
             "/sys/class/net/eth0/address", "/boot/config")
    said = {path: attempt(read, path) for path in paths}
    said["version"] = attempt(kernel_of_linux)
    return said

def control():
    return {"version": attempt(kernel_of_linux), "/proc/diskstats": attempt(read, "/proc/diskstats")}
""",
)
_attack(
    "secret-of-this-run-only",
    "Returns the names of its own secrets: those that it was given, and no other.",
    "import os\ndef main():\n    return sorted(name for name in os.environ if name.startswith('SECRET_'))\n",
    Kind.OK,
    expected="ok: only its own",
    holds=returns(["SECRET_OF_THIS_RUN"]),
    secrets={"SECRET_OF_THIS_RUN": "one-of-a-kind"},
)
_attack(
    "secret-in-the-runner",
    "Looks for its secret in everything that can be read about the first process.",
    """
import os
def main():
    secret, said = os.environ["SECRET_OF_THIS_RUN"].encode(), {"looked": "ENOENT"}
    for name in ("environ", "cmdline", "mountinfo", "status", "cgroup", "stat", "maps", "auxv"):
        try:
            with open(f"/proc/1/{name}", "rb") as file:
                if secret in file.read():
                    said[name] = "REACHED"
        except OSError:
            pass
    return said
""",
    Kind.OK,
    expected="nothing of it there",
    holds=nothing_reached,
    secrets={"SECRET_OF_THIS_RUN": "one-of-a-kind"},
)
_attack(
    "chance-is-not-copied",
    "Returns what should differ from box to box: random numbers, hashes, identifiers.",
    "import random, uuid\ndef main():\n    return [random.random(), hash('a'), str(uuid.uuid4()), random.getrandbits(64)]\n",
    Kind.OK,
    expected="ok, with four values; that two boxes differ is tested apart",
    holds=lambda heard: "" if len(heard.outcome.result) == len({str(value) for value in heard.outcome.result}) == 4 else "alike",
)
