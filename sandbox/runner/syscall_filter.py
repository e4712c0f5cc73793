"""A seccomp filter that takes from the tool what would lift its limits: above all new user namespaces, which start
without process and tmpfs limits, then what administers a kernel. Docker's own profile is not applied inside gVisor,
hence one of our own; and gVisor lets everybody make device files, which are its own and still not a tool's business.

clone3 answers ENOSYS, so that the C library falls back to clone, whose flags a filter can read. So do the ways to make
System V shared memory, semaphores and queues, and POSIX queues: they outlive every process, and would be there for the next
job of a box that is kept. They are absent rather than forbidden, as in a kernel without them. POSIX shared memory and
semaphores, which are what Python uses, are files and are removed with the others.
"""

import ctypes
import errno
import platform
import struct
from dataclasses import dataclass

_LOAD, _JUMP_EQUAL, _JUMP_ANY, _JUMP_GREATER_EQUAL, _RETURN = 0x20, 0x15, 0x45, 0x35, 0x06
_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT, _ARGUMENT_SIZE = 0, 4, 16, 8
# CLONE_NEW{CGROUP,UTS,IPC,USER,PID,NET,NS}. CLONE_NEWTIME lies in clone's signal byte: only unshare and clone3 know it.
_NEW_NAMESPACE_FLAGS = 0x7E020000
_DEVICE_BIT = 0o020000  # set in the mode of character and block devices, not in that of files, pipes and sockets
_ANY_BIT = 0xFFFFFFFF
_FOREIGN_CALLS = 0x40000000  # x32 numbers, under the same architecture mark
_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, _PR_SET_NO_NEW_PRIVS = 22, 2, 38
_CLONE3 = 435
# The same on every architecture: io_uring, open_tree, move_mount, fs*, mount_setattr, pidfd_getfd.
_REFUSED_EVERYWHERE = (425, 426, 427, 428, 429, 430, 431, 432, 433, 438, 442)


@dataclass(frozen=True)
class _Machine:
    """`refused_by_argument`: call, number of the argument, bits of which none may be set in it."""

    mark: int
    absent: tuple[int, ...]
    escapes: tuple[int, ...]
    administration: tuple[int, ...]
    refused_by_argument: tuple[tuple[int, int, int], ...]


# Absent: shmget, semget, msgget, mq_open.
# Escapes: unshare, setns, mount, umount2, pivot_root, chroot, ptrace, process_vm_readv, process_vm_writev, add_key, request_key,
# keyctl, bpf, perf_event_open, userfaultfd, in this order.
# Administration: name_to_handle_at, open_by_handle_at, kcmp, acct, swapon,
# swapoff, reboot, quotactl, fanotify_init, settimeofday, clock_settime, adjtimex, clock_adjtime, sethostname,
# setdomainname, init_module, delete_module, finit_module, kexec_load, kexec_file_load.
# By argument: clone with new namespaces, mknod and mknodat of devices, setpriority of others, sched_setaffinity of others, whom
# gVisor does not protect.
_MACHINES = {
    "x86_64": _Machine(
        0xC000003E,
        (29, 64, 68, 240),
        (272, 308, 165, 166, 155, 161, 101, 310, 311, 248, 249, 250, 321, 298, 323),
        (303, 304, 312, 163, 167, 168, 169, 179, 300, 164, 227, 159, 305, 170, 171, 175, 176, 313, 246, 320),
        ((56, 0, _NEW_NAMESPACE_FLAGS), (133, 1, _DEVICE_BIT), (259, 2, _DEVICE_BIT), (141, 1, _ANY_BIT), (203, 0, _ANY_BIT)),
    ),
    "aarch64": _Machine(
        0xC00000B7,
        (194, 190, 186, 180),
        (97, 268, 40, 39, 41, 51, 117, 270, 271, 217, 218, 219, 280, 241, 282),
        (264, 265, 272, 89, 224, 225, 142, 60, 262, 170, 112, 171, 266, 161, 162, 105, 106, 273, 104, 294),
        ((220, 0, _NEW_NAMESPACE_FLAGS), (33, 2, _DEVICE_BIT), (140, 1, _ANY_BIT), (122, 0, _ANY_BIT)),
    ),
}


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]


def _step(code: int, yes: int, no: int, value: int) -> bytes:
    return struct.pack("HBBI", code, yes, no, value)


def program(machine: str) -> bytes:
    """The filter's instructions for one architecture.

    Raises: KeyError when the architecture is not known; then nothing may run.
    """
    numbers = _MACHINES[machine]
    refuse = _step(_RETURN, 0, 0, _ERRNO | errno.EPERM)
    steps = [
        _step(_LOAD, 0, 0, _ARCHITECTURE),
        _step(_JUMP_EQUAL, 1, 0, numbers.mark),
        _step(_RETURN, 0, 0, _KILL),
        _step(_LOAD, 0, 0, _NUMBER),
        _step(_JUMP_GREATER_EQUAL, 0, 1, _FOREIGN_CALLS),
        refuse,
    ]
    for number in (_CLONE3, *numbers.absent):
        steps += [_step(_JUMP_EQUAL, 0, 1, number), _step(_RETURN, 0, 0, _ERRNO | errno.ENOSYS)]
    for number in (*numbers.escapes, *numbers.administration, *_REFUSED_EVERYWHERE):
        steps += [_step(_JUMP_EQUAL, 0, 1, number), refuse]
    allow = _step(_RETURN, 0, 0, _ALLOW)
    for number, argument, bits in numbers.refused_by_argument:
        load = _step(_LOAD, 0, 0, _FIRST_ARGUMENT + _ARGUMENT_SIZE * argument)
        steps += [_step(_JUMP_EQUAL, 0, 4, number), load, _step(_JUMP_ANY, 0, 1, bits), refuse, allow]
    return b"".join([*steps, allow])


def install() -> None:
    """Put the filter on the calling process and all that come from it, for good.

    Raises: OSError when the kernel refuses it.
    """
    code = program(platform.machine())
    memory = ctypes.create_string_buffer(code, len(code))
    libc = ctypes.CDLL(None, use_errno=True)
    described = _Program(len(code) // 8, ctypes.addressof(memory))
    for arguments in ((_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), (_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(described), 0, 0)):
        if libc.prctl(*arguments) != 0:
            raise OSError(ctypes.get_errno(), "the system call filter could not be installed")
