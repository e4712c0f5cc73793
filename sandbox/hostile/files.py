"""Programs that fill, bend or leave the file system."""

from sandbox.hostile.program import BRIEF, Theme, returns
from sandbox.job import Limits
from sandbox.outcome import Kind

THEME = Theme("files")
_attack, _probe = THEME.attack, THEME.probe

_attack(
    "full-scratch",
    "Fills scratch space.",
    """
def main():
    for number in range(1000):
        with open(f"/tmp/{number}", "wb") as file:
            file.write(bytes(4 << 20))
""",
    Kind.DISK,
    expected="the limit of scratch space is named",
)
_attack(
    "full-shared-memory",
    "Fills /dev/shm.",
    """
def main():
    for number in range(1000):
        with open(f"/dev/shm/{number}", "wb") as file:
            file.write(bytes(4 << 20))
""",
    Kind.DISK,
    Kind.ERROR,
    expected="the limit is named, or there is no such place",
)
_attack(
    "petabyte-of-holes",
    "Makes a file of a petabyte that holds nothing.",
    "def main():\n    with open('artifacts/big', 'wb') as file:\n        file.truncate(1 << 50)\n",
    Kind.DISK,
    Kind.ERROR,
    expected="refused at the limit of file size",
)
_attack(
    "million-files",
    "Makes empty files for ever: no byte is used, only names.",
    """
import os
def main():
    number = 0
    while True:
        os.close(os.open(f"/tmp/{number}", os.O_CREAT | os.O_WRONLY))
        number += 1
""",
    Kind.TIMEOUT,
    Kind.OOM,
    Kind.DISK,
    expected="the wall, or out of memory or space",
    limits=Limits(wall_seconds=4, cpu_seconds=10),
)
_attack(
    "thousand-folders-deep",
    "Leaves a tree of a thousand folders, each in the one before, with a file at the end.",
    """
import os
def main():
    os.chdir("artifacts")
    for _ in range(1000):
        os.mkdir("d")
        os.chdir("d")
    open("deep", "w").close()
    return "left"
""",
    Kind.OK,
    expected="ok; the file is not taken",
    holds=lambda heard: "" if heard.outcome.result == "left" and not heard.artifacts else "it was taken",
)
_attack(
    "names-as-long-as-they-can-be",
    "Leaves files whose names are as long as the system takes.",
    """
def main():
    for number in range(50):
        open(f"artifacts/{number:0>255}", "w").close()
    return "left"
""",
    Kind.OK,
    expected="ok",
    holds=returns("left"),
)
_probe(
    "writes-outside-of-scratch",
    "Writes into every folder that matters.",
    """
PLACES = ("/", "/etc", "/usr/bin", "/usr/lib", "/lib", "/opt/selfsmith", "/opt/selfsmith/_selfsmith_runner", "/control",
          "/environments", "/dev", "/proc", "/proc/sys/kernel", "/sys", "/sys/fs/cgroup", "/root", "/var/tmp", "/run", "/home")

def write(folder):
    with open(os.path.join(folder, "hostile"), "w") as file:
        file.write("x")

def main():
    return {place: attempt(write, place) for place in PLACES}

def control():
    return {"a folder that may be written to": attempt(write, ".")}
""",
)
_probe(
    "changes-to-what-is-mounted",
    "Changes, renames and removes the runner, Python and the system's files.",
    """
def rewrite(path):
    with open(path, "r+b") as file:
        file.write(b"x")

ACTIONS = {
    "rewrite": rewrite,
    "remove": os.unlink,
    "rename": lambda path: os.rename(path, path + ".old"),
    "open to all": lambda path: os.chmod(path, 0o777),
    "take": lambda path: os.chown(path, os.getuid(), os.getgid()),
    "cut": lambda path: os.truncate(path, 0),
    "link": lambda path: os.link(path, "/tmp/linked"),
}

def tries(path):
    return {f"{name} {path}": attempt(action, path) for name, action in ACTIONS.items()}

def main():
    import json
    files = ["/opt/selfsmith/_selfsmith_runner/frames.py", "/etc/passwd", json.__file__, "/usr/bin/python3"]
    return {name: end for path in files for name, end in tries(path).items()}

def control():
    said = {}
    for name, action in ACTIONS.items():
        if name == "link":
            continue  # to a place outside of this folder
        with open("victim", "w") as file:
            file.write("text")
        said[name] = attempt(action, "victim")
    return said
""",
)
_probe(
    "devices",
    "Opens the devices through which a kernel or its disks can be reached.",
    """
def open_device(path):
    os.close(os.open(path, os.O_RDWR))

def main():
    paths = ("/dev/mem", "/dev/kmem", "/dev/kmsg", "/dev/port", "/dev/kvm", "/dev/sda", "/dev/vda", "/dev/loop0",
             "/dev/snd/seq", "/dev/loop-control", "/dev/userfaultfd", "/dev/vsock", "/dev/mapper/control")
    return {path: attempt(open_device, path) for path in paths} | {"a tunnel": attempt(make_tunnel)}

def make_tunnel():
    # The device itself is gVisor's and open to everybody; an interface by it would be a way out.
    import fcntl, struct
    fcntl.ioctl(os.open("/dev/net/tun", os.O_RDWR), 0x400454CA, struct.pack("16sH22s", b"hostile", 1, b""))

def control():
    return {"/dev/null": attempt(open_device, "/dev/null")}
""",
)
_attack(
    "watcher-bomb",
    "Watches every folder with as many watchers as it gets.",
    """
import ctypes, os
def main():
    libc = ctypes.CDLL(None)
    watchers = [libc.inotify_init1(0) for _ in range(200)]
    for watcher in watchers:
        for folder in ("/tmp", "/proc", "/usr/lib", "/etc"):
            libc.inotify_add_watch(watcher, folder.encode(), 0xFFF)
    for number in range(2000):
        open(f"/tmp/w{number % 10}", "w").close()
    return "done"
""",
    Kind.OK,
    Kind.ERROR,
    expected="ok, or refused",
)
_attack(
    "locked-by-itself",
    "Locks a file twice and waits for itself.",
    """
import fcntl
def main():
    one, two = open("/tmp/lock", "w"), open("/tmp/lock", "w")
    fcntl.flock(one, fcntl.LOCK_EX)
    fcntl.flock(two, fcntl.LOCK_EX)
""",
    Kind.TIMEOUT,
    expected="the wall",
    limits=BRIEF,
)
_attack(
    "ground-pulled-away",
    "Removes the folder that it stands in, with everything.",
    """
import os, shutil
def main():
    shutil.rmtree("/tmp/work")
    os.mkdir("/tmp/work")
    return "gone"
""",
    Kind.OK,
    expected="ok; there are no files to take",
    holds=returns("gone"),
)
_attack(
    "closed-to-everybody",
    "Takes all rights from its folders, so that nobody can look for files.",
    """
import os
def main():
    open("artifacts/a", "w").close()
    os.chmod("artifacts", 0)
    os.chmod("/tmp/work", 0)
    return "closed"
""",
    Kind.OK,
    expected="ok; what cannot be read is not taken",
    holds=returns("closed"),
)
_attack(
    "rest-of-scratch-is-full",
    "Fills scratch space to the last byte and returns.",
    """
import os
def main():
    try:
        for number in range(100):
            with open(f"/tmp/{number}", "wb") as file:
                while True:
                    file.write(bytes(1 << 16))
    except OSError:
        pass
    return "full"
""",
    Kind.OK,
    expected="the result is delivered all the same",
    holds=returns("full"),
)
_probe(
    "marks-on-what-boxes-share",
    "Leaves marks that another box could read on folders that all boxes see: attributes, times, owners and rights.",
    """
def tries(place):
    return {
        f"times of {place}": attempt(os.utime, place, (1, 1)), f"now on {place}": attempt(os.utime, place),
        f"attribute of {place}": attempt(os.setxattr, place, "user.left", b"x"),
        f"rights of {place}": attempt(os.chmod, place, 0o777),
    }

def main():
    said = {}
    for place in ("/opt/selfsmith", "/environments", "/control", "/usr", "/etc/passwd"):
        said |= tries(place)
    return said

def control():
    os.mkdir("own")
    return {name: end for name, end in tries("own").items() if "attribute" not in name}
""",
)
