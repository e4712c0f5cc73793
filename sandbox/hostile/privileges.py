"""Programs that want more rights: users, capabilities, namespaces, and system calls that lift limits. Numbers are x86_64's."""

from sandbox.hostile.program import Theme

THEME = Theme("privileges")
_probe = THEME.probe

_probe(
    "other-users",
    "Becomes root or another user or group.",
    """
CALLS = {
    "setuid": lambda: os.setuid(0), "setgid": lambda: os.setgid(0), "seteuid": lambda: os.seteuid(0),
    "setresuid": lambda: os.setresuid(0, 0, 0), "setreuid": lambda: os.setreuid(0, 0),
    "setgroups": lambda: os.setgroups([0]), "initgroups": lambda: os.initgroups("root", 0),
    "another user": lambda: os.setuid(1000), "setfsuid": lambda: file_system_user(),
}

def file_system_user():
    libc = ctypes.CDLL(None)
    libc.setfsuid(0)
    if libc.setfsuid(-1) != 0:
        raise PermissionError(errno.EPERM, "still the same")

def main():
    return {name: in_a_child(lambda: attempt(action)) for name, action in CALLS.items()}

control = main
""",
    needs_root=True,
)
_probe(
    "capabilities",
    "Gives itself capabilities, keeps them over a change of user, or makes them ambient.",
    """
import struct

def capabilities():
    with open("/proc/self/status") as status:
        return {line.split(":")[0]: int(line.split()[1], 16) for line in status if line.startswith("Cap")}

def raise_all():
    # capset for this process, version 3: every capability, effective, permitted and inheritable
    header, data = struct.pack("Ii", 0x20080522, 0), struct.pack("6I", *(0xFFFFFFFF,) * 6)
    if ctypes.CDLL(None, use_errno=True).capset(header, data) != 0:
        raise OSError(ctypes.get_errno(), "capset")

def held(name):
    if not capabilities()[name]:
        raise PermissionError(errno.EPERM, "none")

def prctl(*arguments):
    if ctypes.CDLL(None, use_errno=True).prctl(*arguments) != 0:
        raise OSError(ctypes.get_errno(), "prctl")

def main():
    return {
        "capset": in_a_child(lambda: attempt(raise_all)),
        "effective": attempt(held, "CapEff"), "permitted": attempt(held, "CapPrm"), "inheritable": attempt(held, "CapInh"),
        "ambient": in_a_child(lambda: attempt(prctl, 47, 2, 21, 0, 0)),
        "securebits": in_a_child(lambda: attempt(prctl, 28, 1, 0, 0, 0)),
    }

def control():
    return {
        "effective": attempt(held, "CapEff"), "permitted": attempt(held, "CapPrm"),
        "securebits": in_a_child(lambda: attempt(prctl, 28, 0x10, 0, 0, 0)),
    }
""",
    needs_root=True,
)
_probe(
    "privileges-by-programs",
    "Looks for programs that run with other rights than their caller's, and for programs with capabilities of their own.",
    """
import stat

def look(roots):
    found = {"suid": [], "sgid": [], "capabilities": []}
    for root in roots:
        for folder, _, names in os.walk(root):
            for name in names:
                path = os.path.join(folder, name)
                try:
                    mode = os.lstat(path).st_mode
                except OSError:
                    continue
                if stat.S_ISREG(mode):
                    if mode & stat.S_ISUID:
                        found["suid"].append(path)
                    if mode & stat.S_ISGID:
                        found["sgid"].append(path)
                    try:
                        os.getxattr(path, "security.capability")
                        found["capabilities"].append(path)
                    except OSError:
                        pass
    return {name: "REACHED" if paths else "ENOENT" for name, paths in found.items()}

def main():
    return look(("/usr", "/opt", "/etc", "/var", "/srv", "/home"))

def control():
    for name, mode in (("a", 0o4755), ("b", 0o2755), ("c", 0o755)):
        os.close(os.open(name, os.O_CREAT | os.O_WRONLY, 0o755))
        os.chmod(name, mode)
    os.setxattr("c", "security.capability", bytes.fromhex("0100000200040000000000000000000000000000"))
    return look(".")
""",
    needs_root=True,
)
_probe(
    "namespaces",
    "Makes namespaces of its own, in which it would be root and its limits would not count.",
    """
KINDS = {"user": 0x10000000, "mount": 0x20000, "pid": 0x20000000, "network": 0x40000000, "uts": 0x4000000, "ipc": 0x8000000,
         "cgroup": 0x2000000}

def unshare(flag):
    return in_a_child(lambda: call(272, flag, 0, 0, 0, 0))

def clone(flag):
    def action():
        libc = ctypes.CDLL(None, use_errno=True)
        pid = libc.syscall(56, flag | 17, 0, 0, 0, 0)
        if pid == 0:
            os._exit(0)
        return "REACHED" if pid > 0 else errno.errorcode[ctypes.get_errno()]
    return in_a_child(action)

def main():
    said = {f"unshare {name}": unshare(flag) for name, flag in KINDS.items()}
    said |= {f"clone {name}": clone(flag) for name, flag in KINDS.items()}
    said["unshare all"] = unshare(0x7E020000)
    said["clone3"] = in_a_child(lambda: call(435, 0, 0))
    said["setns"] = in_a_child(lambda: call(308, -1, 0))
    return said

control = main
""",
    needs_root=True,
)
_probe(
    "new-roots",
    "Mounts, moves and replaces file systems.",
    """
def main():
    said = {
        "mount": call(165, 0, 0, 0, 0, 0), "umount": call(166, 0, 0), "pivot_root": call(155, 0, 0), "chroot": call(161, 0),
        "open_tree": call(428, -1, 0, 0), "move_mount": call(429, -1, 0, -1, 0, 0), "fsopen": call(430, 0, 0),
        "fsmount": call(432, -1, 0, 0), "fspick": call(433, -1, 0, 0), "mount_setattr": call(442, -1, 0, 0, 0, 0),
        "swapon": call(167, 0, 0), "quotactl": call(179, 0, 0, 0, 0), "acct": call(163, 1),
        "chroot here": in_a_child(lambda: attempt(os.chroot, ".")),
    }
    return said

def control():
    names = {"mount": (165,), "umount": (166,), "pivot_root": (155,), "chroot": (161,), "open_tree": (428, -1)}
    said = {name: call(number[0], *number[1:], *(0,) * (6 - len(number))) for name, number in names.items()}
    said["chroot here"] = in_a_child(lambda: attempt(os.chroot, "."))
    return said
""",
    needs_root=True,
)
_probe(
    "device-files",
    "Makes the files of a disk, of memory and of the kernel's messages.",
    """
import stat

def make(name, kind, major, minor):
    os.mknod(name, kind | 0o600, os.makedev(major, minor))

DEVICES = {"disk": (stat.S_IFBLK, 8, 0), "memory": (stat.S_IFCHR, 1, 1), "messages": (stat.S_IFCHR, 1, 11), "null": (stat.S_IFCHR, 1, 3)}

def main():
    return {name: attempt(make, "/tmp/" + name, *numbers) for name, numbers in DEVICES.items()}

def control():
    said = {"null": attempt(make, "null", *DEVICES["null"])}
    os.unlink("null")
    return said
""",
    needs_root=True,
)
_probe(
    "other-processes-memory",
    "Attaches to processes and reads or writes their memory.",
    """
def main():
    mine = os.getpid()
    return {
        "attach to the first": call(101, 16, 1, 0, 0), "seize the first": call(101, 0x4206, 1, 0, 0),
        "let itself be traced": in_a_child(lambda: call(101, 0, 0, 0, 0)),
        "read by call": call(310, 1, 0, 0, 0, 0, 0), "write by call": call(311, 1, 0, 0, 0, 0, 0),
        "memory of the first": attempt(open, "/proc/1/mem", "r+b"),
        "root of the first": attempt(os.listdir, "/proc/1/root"),
        "descriptor of the first": call(438, -1, 0, 0),
        "compare": call(312, mine, 1, 0, 0, 0),
        "advise": call(440, -1, 0, 0, 0, 0),
    }

def control():
    return {
        "let itself be traced": in_a_child(lambda: call(101, 0, 0, 0, 0)), "read by call": call(310, os.getpid(), 0, 0, 0, 0, 0),
        "memory of a process": attempt(open, f"/proc/{os.getpid()}/mem", "r+b"),
        "root of a process": attempt(os.listdir, "/proc/self/root"),
    }
""",
    needs_root=True,
)
_probe(
    "kernel-doors",
    "Calls what opens the kernel itself: programs in it, performance counters, fault handling, rings, modules, another kernel.",
    """
CALLS = {
    "bpf": (321, 0, 0, 0), "perf_event_open": (298, 0, 0, 0, 0, 0), "userfaultfd": (323, -1), "io_uring_setup": (425, 1, 0),
    "io_uring_enter": (426, -1, 0, 0, 0, 0), "io_uring_register": (427, -1, 0, 0, 0), "add_key": (248, 0, 0, 0, 0, 0),
    "request_key": (249, 0, 0, 0, 0), "keyctl": (250, 0, -3, 0, 0, 0), "init_module": (175, 0, 0, 0),
    "finit_module": (313, -1, 0, 0), "delete_module": (176, 0, 0), "reboot": (169, 0, 0, 0, 0),
    "iopl": (172, 3), "ioperm": (173, 0x80, 1, 1), "open_by_handle": (304, -1, 0, 0), "fanotify": (300, 0, 0),
    "lookup_dcookie": (212, 0, 0, 0), "nfsservctl": (180, 0, 0, 0), "vhangup": (153,), "syslog clear": (103, 5, 0, 0),
}

def main():
    said = {name: call(number[0], *number[1:]) for name, number in CALLS.items()}
    said["kexec_load"] = call(246, 0, 0, 0, 0)
    return said

def control():
    # Only with arguments that the kernel objects to: what it says then shows that it looked at the call.
    harmless = ("bpf", "keyctl", "reboot", "open_by_handle", "request_key")
    return {name: call(CALLS[name][0], *CALLS[name][1:]) for name in harmless}
""",
    needs_root=True,
)
_probe(
    "clocks-and-names",
    "Sets the clock, the host's name, priorities of others, and real-time scheduling.",
    """
def main():
    return {
        "clock_settime": call(227, 0, 0), "settimeofday": call(164, 0, 0), "adjtimex": call(159, 0),
        "sethostname": call(170, 0, -1), "setdomainname": call(171, 0, -1),
        "priority of the first": attempt(os.setpriority, os.PRIO_PROCESS, 1, 19),
        "real time": in_a_child(lambda: attempt(os.sched_setscheduler, 0, os.SCHED_FIFO, os.sched_param(50))),
    }

def control():
    return {
        "settimeofday": call(164, 1, 0), "sethostname": call(170, 0, -1),
        "priority of a child": attempt(os.setpriority, os.PRIO_PROCESS, os.getpid(), os.getpriority(os.PRIO_PROCESS, 0)),
    }
""",
    needs_root=True,
)
_probe(
    "calls-of-other-architectures",
    "Makes system calls by the numbers of 32 bit and of x32, past a filter that knows only its own.",
    """
import mmap

def call_of_32_bit():
    page = mmap.mmap(-1, 4096, prot=7)
    page.write(b"\\xb8\\x14\\x00\\x00\\x00\\xcd\\x80\\xc3")  # getpid by int 0x80
    pid = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()
    return "REACHED" if pid == os.getpid() else "EPERM"

def main():
    return {
        "32 bit": in_a_child(call_of_32_bit), "x32 getpid": call(0x40000000 | 39), "x32 unshare": call(0x40000000 | 272, 0),
        "x32 ptrace": call(0x40000000 | 521, 0, 0, 0, 0),
    }

def control():
    # The same bytes with the number and the door of 64 bit: that code made in memory can call the kernel.
    page = mmap.mmap(-1, 4096, prot=7)
    page.write(b"\\xb8\\x27\\x00\\x00\\x00\\x0f\\x05\\xc3")
    pid = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()
    return {"64 bit": "REACHED" if pid == os.getpid() else "EPERM"}
""",
)
_probe(
    "filter-undone",
    "Installs a filter that allows everything, starts another program, and tries again what was refused.",
    """
import struct, subprocess, sys

def allow_everything():
    libc = ctypes.CDLL(None, use_errno=True)
    code = ctypes.create_string_buffer(struct.pack("HBBI", 6, 0, 0, 0x7FFF0000), 8)
    class Program(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]
    libc.prctl(38, 1, 0, 0, 0)
    libc.prctl(22, 2, ctypes.byref(Program(1, ctypes.addressof(code))), 0, 0)

def main():
    def after_another_filter():
        allow_everything()
        return call(272, 0x10000000)
    program = "import ctypes; raise SystemExit(0 if ctypes.CDLL(None).syscall(272, 0x10000000) == 0 else 1)"
    started = subprocess.run([sys.executable, "-c", program]).returncode
    def give_back():
        if ctypes.CDLL(None).prctl(39, 0, 0, 0, 0) == 1:
            raise PermissionError(errno.EPERM, "no new privileges, for good")
    return {
        "after another filter": in_a_child(after_another_filter), "in another program": "REACHED" if started == 0 else "EPERM",
        "new privileges": attempt(give_back),
    }

control = main
""",
    needs_root=True,
)
_probe(
    "switches-of-the-kernel",
    "Writes to the switches under /proc and /sys by which containers have been left before.",
    """
def write(path, text="1"):
    with open(path, "w") as file:
        file.write(text)

def main():
    paths = ["/proc/sysrq-trigger", "/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe", "/proc/sys/vm/drop_caches",
             "/proc/sys/kernel/hostname", "/proc/1/oom_score_adj", "/proc/1/comm", "/proc/1/coredump_filter",
             "/proc/self/uid_map", "/proc/self/gid_map", "/proc/self/setgroups", "/proc/self/loginuid",
             "/sys/kernel/uevent_helper", "/sys/fs/cgroup/release_agent", "/sys/fs/cgroup/memory/memory.limit_in_bytes",
             "/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "/sys/fs/cgroup/pids/pids.max", "/sys/fs/cgroup/cgroup.procs"]
    said = {path: attempt(write, path) for path in paths}
    said["less likely to be ended"] = attempt(write, "/proc/self/oom_score_adj", "-1000")
    for folder in ("/sys/fs/cgroup", "/sys/fs/cgroup/memory", "/sys/fs/cgroup/cpu"):
        said[f"new group in {folder}"] = attempt(os.mkdir, folder + "/hostile")
    return said

def control():
    with open("switch", "w"):
        pass
    return {"a file like a switch": attempt(write, "switch"), "a name of its own": attempt(write, "/proc/self/comm", "same")}
""",
)
_probe(
    "processors-of-the-runner",
    "Chooses processors, limits, scheduling, group and order of reading for the runner.",
    """
import resource, time

def tries(process):
    return {
        f"processors of {process}": attempt(os.sched_setaffinity, process, {0}),
        f"limits of {process}": attempt(resource.prlimit, process, resource.RLIMIT_NOFILE, (10, 10)),
        f"priority of {process}": attempt(os.setpriority, os.PRIO_PROCESS, process, 19),
        f"group of {process}": attempt(os.setpgid, process, process),
    }

def main():
    return tries(1) | tries(os.getppid())

def control():
    pid = os.fork()
    if pid == 0:
        time.sleep(20)
        os._exit(0)
    said = tries(pid)
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    return said
""",
)
