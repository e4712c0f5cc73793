"""A seccomp filter that takes from the tool what would lift its limits: above all new user namespaces, which start
without process and tmpfs limits. Docker's own profile is not applied inside gVisor, hence one of our own.

clone3 answers ENOSYS, so that the C library falls back to clone, whose flags a filter can read.
"""

import ctypes
import errno
import platform
import struct
from dataclasses import dataclass

_LOAD, _JUMP_EQUAL, _JUMP_ANY, _JUMP_GREATER_EQUAL, _RETURN = 0x20, 0x15, 0x45, 0x35, 0x06
_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16
# CLONE_NEW{CGROUP,UTS,IPC,USER,PID,NET,NS}. CLONE_NEWTIME lies in clone's signal byte: only unshare and clone3 know it.
_NEW_NAMESPACE_FLAGS = 0x7E020000
_FOREIGN_CALLS = 0x40000000  # x32 numbers, under the same architecture mark
_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, _PR_SET_NO_NEW_PRIVS = 22, 2, 38
_CLONE3 = 435
# The same on every architecture: io_uring, open_tree, move_mount, fs*, mount_setattr, pidfd_getfd.
_REFUSED_EVERYWHERE = (425, 426, 427, 428, 429, 430, 431, 432, 433, 438, 442)


@dataclass(frozen=True)
class _Machine:
    mark: int
    clone: int
    refused: tuple[int, ...]


# unshare, setns, mount, umount2, pivot_root, chroot, ptrace, process_vm_readv, process_vm_writev, add_key, request_key,
# keyctl, bpf, perf_event_open, userfaultfd, in this order.
_MACHINES = {
    "x86_64": _Machine(0xC000003E, 56, (272, 308, 165, 166, 155, 161, 101, 310, 311, 248, 249, 250, 321, 298, 323)),
    "aarch64": _Machine(0xC00000B7, 220, (97, 268, 40, 39, 41, 51, 117, 270, 271, 217, 218, 219, 280, 241, 282)),
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
        _step(_JUMP_EQUAL, 0, 1, _CLONE3),
        _step(_RETURN, 0, 0, _ERRNO | errno.ENOSYS),
    ]
    for number in (*numbers.refused, *_REFUSED_EVERYWHERE):
        steps += [_step(_JUMP_EQUAL, 0, 1, number), refuse]
    steps += [_step(_JUMP_EQUAL, 0, 3, numbers.clone), _step(_LOAD, 0, 0, _FIRST_ARGUMENT)]
    steps += [_step(_JUMP_ANY, 0, 1, _NEW_NAMESPACE_FLAGS), refuse, _step(_RETURN, 0, 0, _ALLOW)]
    return b"".join(steps)


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
