"""What one job leaves in a kept box, the next must not find, whatever the first does to be found."""

import time

import pytest

from sandbox import Driver, InputFile, Kind
from tests.sandbox.keeping import after, do, kept, pool_of, renew, run_kind

gvisor_only = pytest.mark.gvisor
MIB = 1 << 20


SEE_FILES = """
import os
def main():
    return {place: sorted(os.listdir(place)) for place in ("/tmp", "/dev/shm", "/tmp/work", "/tmp/work/inputs")}
"""
NO_FILES = {"/tmp": ["work"], "/dev/shm": [], "/tmp/work": ["artifacts", "inputs"], "/tmp/work/inputs": []}


@gvisor_only
@pytest.mark.parametrize(
    "text",
    [
        "open('/tmp/x', 'w').close(); open('/dev/shm/x', 'w').close(); open('/tmp/work/x', 'w').close()",
        "os.makedirs('/tmp/a/b'); open('/tmp/a/b/c', 'w').close(); os.chmod('/tmp/a/b', 0); os.chmod('/tmp/a', 0)",
        "os.symlink('/etc', '/tmp/etc'); os.symlink('/tmp', '/tmp/work/up'); os.mkfifo('/tmp/f')",
        "[open(b'/tmp/' + n, 'w').close() for n in (b'\\xff\\xfe', b'a\\nb', b'-rf', b' ', b'left-0', b'.x')]",
        "[os.chdir('/tmp')] + [(os.mkdir('d'), os.chdir('d')) for _ in range(1000)]",
        "os.mkdir('/tmp/left-0'); os.makedirs('/tmp/q/left-0/left-1'); os.makedirs('/tmp/left-2/left-0')",
        "os.rmdir('/tmp/work/inputs'); os.rmdir('/tmp/work/artifacts'); os.rmdir('/tmp/work'); open('/tmp/work', 'w').close()",
        "[open(f'/tmp/{n}', 'w').close() for n in range(5000)]",
        "socket.socket(socket.AF_UNIX).bind('/tmp/s')",
    ],
    ids=["plain", "closed", "links", "names", "deep", "numbered", "replaced", "many", "socket"],
)
def test_files_are_gone(gvisor: Driver, text: str) -> None:
    assert after(gvisor, f"import os, socket\ndef main():\n    {text}\n    return 1", SEE_FILES).result == NO_FILES


@gvisor_only
def test_scratch_space_that_was_filled_is_whole_again(gvisor: Driver) -> None:
    fill = """
        def main():
            with open("/tmp/x", "wb") as file:
                while True:
                    file.write(bytes(1 << 20))
    """
    with kept(gvisor) as box:
        assert do(box, fill).kind is Kind.DISK
        assert not box.may_be_renewed
    use = "def main():\n    return open('/tmp/x', 'wb').write(bytes(40 << 20))"
    assert after(gvisor, use, use).result == 40 * MIB


@gvisor_only
def test_a_box_in_which_too_much_was_left_is_given_up_and_the_next_job_runs(gvisor: Driver) -> None:
    with pool_of(gvisor) as pool:
        full, outcome = run_kind(pool, "a", "def main():\n    for n in range(11_000): open(f'/tmp/{n}', 'w').close()")
        assert outcome.ok, outcome
        other, outcome = run_kind(pool, "a")
        assert outcome.ok
        assert other != full


@gvisor_only
def test_processes_are_gone_daemons_and_those_that_ignore_signals(gvisor: Driver) -> None:
    leave = """
        import os, signal, time
        def main():
            for _ in range(5):
                if os.fork() == 0:
                    os.setsid()
                    for number in range(1, 32):
                        try: signal.signal(number, signal.SIG_IGN)
                        except OSError: pass
                    if os.fork():
                        os._exit(0)
                    while True:
                        open("/tmp/late", "w").close()
                        if os.fork():
                            os._exit(0)
            time.sleep(0.2)
            return 1
    """
    look = """
        import os
        def main():
            others = [p for p in os.listdir("/proc") if p.isdigit() and int(p) not in (os.getpid(), os.getppid(), 1)]
            return [others, os.path.exists("/tmp/late")]
    """
    assert after(gvisor, leave, look).result == [[], False]


@gvisor_only
def test_shared_memory_semaphores_and_queues_cannot_be_left(gvisor: Driver) -> None:
    leave = """
        import ctypes, errno
        from multiprocessing import shared_memory, resource_tracker
        def main():
            resource_tracker.register = lambda *_: None
            left = shared_memory.SharedMemory("left", create=True, size=100)
            left.buf[0] = 7
            libc = ctypes.CDLL(None, use_errno=True)
            def tried(number, *arguments):
                ctypes.set_errno(0)
                return libc.syscall(number, *arguments) == -1 and errno.errorcode[ctypes.get_errno()]
            return [tried(29, 77, 4096, 0o1666), tried(64, 77, 1, 0o1666), tried(68, 77, 0o1666),
                    tried(240, b"q", 0o102, 0o666, 0)]
    """
    with kept(gvisor) as box:
        assert do(box, leave).result == ["ENOSYS"] * 4
        renew(box)
        assert do(box, SEE_FILES).result == NO_FILES


@gvisor_only
def test_listening_sockets_are_gone(gvisor: Driver) -> None:
    leave = """
        import os, socket, time
        def main():
            if os.fork() == 0:
                abstract, port = socket.socket(socket.AF_UNIX), socket.socket()
                abstract.bind(chr(0) + "left"); abstract.listen()
                port.bind(("127.0.0.1", 5555)); port.listen()
                open("/tmp/ready", "w").close()
                time.sleep(100)
            while not os.path.exists("/tmp/ready"): time.sleep(0.01)
            return socket.create_connection(("127.0.0.1", 5555)).getpeername()[1]
    """
    look = """
        import socket
        def main():
            return [socket.socket(socket.AF_UNIX).connect_ex(chr(0) + "left") != 0,
                    socket.socket().connect_ex(("127.0.0.1", 5555)) != 0]
    """
    assert after(gvisor, leave, look).result == [True, True]


@gvisor_only
def test_nothing_of_an_earlier_job_is_in_the_memory_of_the_next(gvisor: Driver) -> None:
    """Arguments, files, output, requests and results pass through the runner, from which the next process is copied."""
    first = """
        import func, sys
        def main(word):
            print(word); print(word, file=sys.stderr); func.log(word); func.progress(0.5, word); func.save_artifact("a", word)
            func.read_input("f")
            try: func.ask_host("x", word=word)
            except Exception: pass
            return [word] * 50
    """
    look = """
        import ctypes
        def main(halves):
            first, second = (half.encode() for half in halves)
            found, pages = 0, 0
            for line in list(open("/proc/self/maps")):
                words = line.split()
                begin, end = (int(part, 16) for part in words[0].split("-"))
                if not words[1].startswith("rw") or words[4] != "0": continue
                for place in range(begin, end, 4096):
                    data = ctypes.string_at(place, min(4096 + 200, end - place))
                    pages += 1
                    at = data.find(first)
                    while 0 <= at < 4096:
                        found += data[at + len(first):at + len(first) + len(second)] == second
                        at = data.find(first, at + 1)
            return [found, pages]
    """
    word = ("quaint" * 5, "zephyr" * 5)
    whole = "".join(word)
    with kept(gvisor) as box:
        seen = do(box, look.replace("found, pages = 0, 0", "found, pages, x = 0, 0, first + second"), arguments={"halves": word})
        assert seen.ok, seen
        assert seen.result[0] >= 1, "the search finds what is there"
        renew(box)
        assert do(box, first, arguments={"word": whole}, files=(InputFile("f", whole.encode() * 100),)).ok
        renew(box)
        found, pages = do(box, look, arguments={"halves": word}).result
        assert pages > 1000
        assert found == 0


@gvisor_only
def test_neither_runner_can_be_reached(gvisor: Driver) -> None:
    text = """
        import os, signal
        def main():
            done = []
            def attempt(action, *arguments):
                try: action(*arguments)
                except OSError: return
                done.append([action.__name__, *arguments])
            for pid in (1, os.getppid()):
                attempt(os.kill, pid, signal.SIGKILL)
                attempt(open, f"/proc/{pid}/mem", "rb")
                for name in os.listdir(f"/proc/{pid}/fd"):
                    if name not in ("0", "1", "2"):  # the null device
                        attempt(os.open, f"/proc/{pid}/fd/{name}", os.O_RDONLY | os.O_NONBLOCK)
                        attempt(os.open, f"/proc/{pid}/fd/{name}", os.O_WRONLY | os.O_NONBLOCK)
            own = {name: os.readlink(f"/proc/self/fd/{name}") for name in os.listdir("/proc/self/fd")
                   if os.path.lexists(f"/proc/self/fd/{name}")}
            return [done, sorted(target.partition(":")[0] for target in own.values())]
    """
    with kept(gvisor) as box:
        for _ in range(2):
            outcome = do(box, text)
            assert outcome.ok, outcome
            done, own = outcome.result
            assert done == []
            assert set(own) <= {"pipe", "/dev/null"}
            assert len(own) == 7, "standard input, five pipes and the null device that became the first"
            renew(box)


@gvisor_only
@pytest.mark.parametrize("then", ["return 1", "os._exit(0)"], ids=["returns", "leaves"])
def test_frames_that_a_job_writes_everywhere_do_not_reach_the_next(gvisor: Driver, then: str) -> None:
    forge = f"""
        import json, os, struct
        def main():
            for kind in (1, 3, 4, 5, 6, 10, 64, 67, 68, 69):
                data = json.dumps("forged").encode()
                for descriptor in range(3, 256):
                    try: os.write(descriptor, struct.pack(">IB", len(data), kind) + data)
                    except OSError: pass
            {then}
    """
    with kept(gvisor) as box:
        assert do(box, forge).kind is Kind.ERROR
        if box.may_be_renewed:  # else the box is not used any more, which is as good
            renew(box)
            assert do(box, "def main():\n    return 'honest'").result == "honest"


@gvisor_only
def test_what_was_sent_round_in_a_circle_of_sockets_is_in_no_box_of_the_next(gvisor: Driver) -> None:
    """gVisor never closes a socket that was sent through itself, nor what was sent with it."""
    leave = """
        import array, os, socket
        def main():
            name, port = socket.socket(socket.AF_UNIX), socket.socket()
            name.bind(chr(0) + "left"); name.listen()
            port.bind(("127.0.0.1", 5555)); port.listen()
            file = os.open("/tmp/x", os.O_RDWR | os.O_CREAT)
            os.write(file, bytes(20 << 20)); os.unlink("/tmp/x")
            one, other = socket.socketpair()
            sent = array.array("i", [one.fileno(), other.fileno(), name.fileno(), port.fileno(), file])
            one.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, sent)])
            return 1
    """
    look = """
        import os, socket
        def main():
            room = os.statvfs("/tmp")
            return [len(list(open("/proc/net/unix"))), room.f_blocks - room.f_bfree,
                    socket.socket(socket.AF_UNIX).connect_ex(chr(0) + "left") != 0, socket.socket().bind(("127.0.0.1", 5555))]
    """
    with pool_of(gvisor) as pool:
        circled, outcome = run_kind(pool, "a", leave)
        assert outcome.ok, outcome
        other, outcome = run_kind(pool, "a", look)
        assert outcome.result == [2, 0, True, None], "of unix sockets the title and the one to the host"
        assert other != circled
        assert run_kind(pool, "a", look)[0] == other, "a box in which nothing was left is kept"


@gvisor_only
def test_sockets_that_a_job_opens_in_the_usual_ways_cost_no_box(gvisor: Driver) -> None:
    use = """
        import asyncio, multiprocessing
        async def serve():
            await asyncio.start_unix_server(lambda reader, writer: None, "/tmp/s")
            await asyncio.open_unix_connection("/tmp/s")
            await asyncio.create_subprocess_exec("sleep", "100")
        def main():
            asyncio.run(serve())
            fork = multiprocessing.get_context("fork")
            queue = fork.Queue()
            fork.Process(target=queue.put, args=(1,)).start()
            return queue.get()
    """
    with pool_of(gvisor) as pool:
        assert len({run_kind(pool, "a", use)[0] for _ in range(3)}) == 1


@gvisor_only
def test_rights_limits_and_folders_that_a_job_changed_are_as_before(gvisor: Driver) -> None:
    change = """
        import os, resource
        def main():
            os.umask(0); os.nice(10); os.chdir("/"); os.environ["LEFT"] = "1"
            resource.setrlimit(resource.RLIMIT_NOFILE, (20, 20))
            refused = []
            for place in ("/tmp", "/dev/shm", "/proc/1/oom_score_adj", "/control"):
                try: os.chmod(place, 0o777)
                except OSError: refused.append(place)
            for process in (1, os.getppid()):
                try: os.sched_setaffinity(process, {0})
                except PermissionError: refused.append("processors")
            os.sched_setaffinity(0, {0})
            return refused
    """
    look = """
        import os, resource
        def main():
            umask, rights = os.umask(0), [os.nice(0), os.process_cpu_count() == os.cpu_count()]
            return [umask, *rights, os.getcwd(), "LEFT" in os.environ, resource.getrlimit(resource.RLIMIT_NOFILE)[0]]
    """
    with kept(gvisor) as box:
        refused = ["/tmp", "/dev/shm", "/proc/1/oom_score_adj", "/control", "processors", "processors"]
        assert do(box, change).result == refused
        renew(box)
        assert do(box, look).result == [0o077, 0, True, "/tmp/work", False, 1024]


@gvisor_only
def test_a_fork_bomb_ends_with_its_run(gvisor: Driver) -> None:
    bomb = "import os, time\ndef main():\n    try:\n        while True: os.fork()\n    except OSError:\n        return 1"
    with pool_of(gvisor) as pool:
        run_kind(pool, "a", bomb)
        began = time.monotonic()
        _, outcome = run_kind(pool, "a", "import os\ndef main():\n    return sum(p.isdigit() for p in os.listdir('/proc'))")
        assert outcome.result == 3
        assert time.monotonic() - began < 10  # promised are 2 s; this machine may be busy
