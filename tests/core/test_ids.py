"""Ids are version 7 UUIDs that one process makes in order."""

import time

from apps.core.ids import uuid7


def test_ids_of_one_process_are_unique_and_sorted() -> None:
    made = [uuid7() for _ in range(5000)]
    assert made == sorted(set(made))


def test_an_id_is_a_version_7_uuid_with_the_time_in_it() -> None:
    before = time.time_ns() // 1_000_000
    made = uuid7()
    assert (made.version, made.variant) == (7, "specified in RFC 4122")
    assert before <= made.int >> 80 <= time.time_ns() // 1_000_000
