"""Processor time is the kernel's count of a process and of all that it started."""

import os
import subprocess
import sys

from benchmarks.processor import busy_seconds, cpu_seconds, memory_bytes, tree_of

BURN = "import time\nwhile time.process_time() < 0.3: pass\n"
PARENT = f"""
import subprocess, sys
subprocess.run([sys.executable, "-c", {BURN!r}], check=True)
print("done", flush=True)
sys.stdin.read()
"""


def test_what_an_ended_child_used_is_counted_with_its_parent() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"done\n"
        assert cpu_seconds(parent.pid) >= 0.25
        assert tree_of(parent.pid) == [parent.pid]
        parent.kill()


def test_a_running_child_belongs_to_the_tree() -> None:
    with subprocess.Popen(["sleep", "60"]) as child:
        assert child.pid in tree_of(os.getpid())
        child.kill()


def test_a_process_that_has_ended_uses_nothing_any_more() -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    assert tree_of(ended.pid) == []
    assert cpu_seconds(ended.pid) == 0
    assert memory_bytes([ended.pid]) == 0


def test_a_living_process_has_memory_of_its_own() -> None:
    assert memory_bytes([os.getpid()]) > 1 << 20


def test_a_busy_loop_shows_in_the_time_of_all_cores() -> None:
    before = busy_seconds()
    subprocess.run([sys.executable, "-c", BURN], check=True)
    assert busy_seconds() - before >= 0.25
