"""The table of limits: in step with what carries them, and every amount reads as it is written."""

from dataclasses import fields

import pytest

from sandbox import LIMITS, Limits
from sandbox.limits import GIB, KIB, MIB, Limit, Unit
from sandbox.runner import frames


def test_the_table_and_the_carrier_have_the_same_limits() -> None:
    assert {field.name for field in fields(Limits)} == set(LIMITS)


@pytest.mark.parametrize("row", LIMITS.values(), ids=lambda row: row.name)
def test_a_row_is_in_order_and_a_job_takes_both_its_ends(row: Limit) -> None:
    assert row.least <= row.default <= row.maximum <= row.most
    for amount in (row.least, row.most):
        Limits(**{row.name: amount})  # type: ignore[arg-type]


def test_the_largest_result_fits_into_its_frame() -> None:
    assert LIMITS["result_bytes"].most <= frames.RESULT_FRAMES[frames.RESULT]


@pytest.mark.parametrize("row", LIMITS.values(), ids=lambda row: row.name)
def test_an_amount_reads_as_it_is_shown(row: Limit) -> None:
    for amount in (row.least, row.default, row.maximum, row.most):
        assert row.read(row.show(amount)) == amount


@pytest.mark.parametrize(
    ("name", "text", "amount"),
    [
        ("memory_bytes", "256 MiB", 256 * MIB),
        ("memory_bytes", " 1.5gib ", 3 * GIB // 2),
        ("memory_bytes", "100000 B", 100_000),
        ("output_bytes", "64KiB", 64 * KIB),
        ("wall_seconds", "90", 90),
        ("wall_seconds", "5 min", 300),
        ("wall_seconds", "2 h", 7200),
        ("cores", "0.5", 0.5),
        ("cores", "2 cores", 2),
        ("processes", "64", 64),
    ],
)
def test_amounts_are_read_in_the_units_of_people(name: str, text: str, amount: float) -> None:
    assert LIMITS[name].read(text) == amount


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("memory_bytes", "256"), ("memory_bytes", "256 MB"), ("memory_bytes", "-1 MiB"), ("memory_bytes", "much"),
        ("memory_bytes", "1e9 B"), ("memory_bytes", "0.3 B"), ("wall_seconds", "1.5"), ("wall_seconds", "3 days"),
        ("wall_seconds", "nan"), ("wall_seconds", ""), ("processes", "64 MiB"), ("processes", "9" * 40),
        ("processes", "\uff16\uff14"), ("cores", "inf"), ("cores", "1 s"),
    ],
)  # fmt: skip
def test_what_is_no_amount_is_refused_with_a_sentence(name: str, text: str) -> None:
    with pytest.raises(ValueError, match=r"\.$"):
        LIMITS[name].read(text)


@pytest.mark.parametrize(("seconds", "shown"), [(30, "30 s"), (60, "1 min"), (90, "90 s"), (86_400, "24 h")])
def test_an_amount_is_shown_in_the_largest_unit_that_is_exact(seconds: int, shown: str) -> None:
    assert LIMITS["wall_seconds"].show(seconds) == shown


def test_only_cores_come_in_parts() -> None:
    assert {row.name for row in LIMITS.values() if row.is_amount(1.5)} == {"cores"}
    assert not any(row.is_amount(value) for row in LIMITS.values() for value in (True, "1", None, float("nan")))
    assert LIMITS["cores"].unit is Unit.CORES
