"""What a box used, as its control groups tell it, and the end of its processor time."""

from pathlib import Path

import pytest

from sandbox import usage
from sandbox.cgroup import CgroupV1, CgroupV2
from sandbox.usage import Meter, Usage


def v2(folder: Path, **files: str) -> CgroupV2:
    (folder / "memory.events").write_text("oom_kill 0\n")
    for name, text in files.items():
        (folder / name.replace("_", ".", 1)).write_text(text)
    return CgroupV2(folder)


def test_version_2_tells_processor_time_and_peak(tmp_path: Path) -> None:
    group = v2(tmp_path, cpu_stat="usage_usec 1500000\nuser_usec 1000000\n", memory_peak="52428800\n")
    assert group.usage() == Usage(cpu_seconds=1.5, peak_memory_bytes=50 << 20)
    group.close()


def test_a_kernel_without_a_peak_tells_the_rest(tmp_path: Path) -> None:
    group = v2(tmp_path, cpu_stat="usage_usec 10\n")
    assert group.usage() == Usage(cpu_seconds=0.00001)
    group.close()


def test_of_a_group_that_is_gone_nothing_is_known(tmp_path: Path) -> None:
    group = v2(tmp_path)
    assert group.usage() == Usage()
    group.close()


def test_version_1_tells_both_from_its_own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("freezer", "memory", "cpuacct"):
        (tmp_path / name).mkdir()
    (tmp_path / "memory" / "memory.oom_control").write_text("")
    (tmp_path / "memory" / "memory.max_usage_in_bytes").write_text("1048576\n")
    (tmp_path / "cpuacct" / "cpuacct.usage").write_text("2500000000\n")
    group = CgroupV1(tmp_path / "freezer", tmp_path / "memory", tmp_path / "cpuacct")
    assert group.usage() == Usage(cpu_seconds=2.5, peak_memory_bytes=1 << 20)
    group.close()


def test_a_meter_counts_from_when_it_was_made_and_ends_at_twice_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    now, spent = [100.0], [7.0]
    monkeypatch.setattr(usage.time, "monotonic", lambda: now[0])
    meter = Meter(lambda: Usage(spent[0], 1000), cpu_seconds=10)
    spent[0] = 26.9
    now[0] += 1
    assert not meter.look()
    assert meter.used() == {"cpu_seconds": 19.9, "memory_bytes": 1000}
    spent[0] = 27.1
    assert not meter.look()  # it has just looked
    now[0] += 1
    assert meter.look()
    assert meter.is_over


def test_without_a_count_nothing_is_invented_and_nothing_ends() -> None:
    meter = Meter(Usage, cpu_seconds=1)
    assert (meter.look(), meter.used(), meter.cpu_seconds()) == (False, {}, None)
