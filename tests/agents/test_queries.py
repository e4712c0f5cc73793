"""A turn costs the same however long the task has become."""

from itertools import pairwise

from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.agents.models import TaskState
from apps.llm.types import Reply
from tests.agents.conftest import COMPLETE, Bench, call


def test_a_turn_takes_the_same_queries_late_as_early(bench: Bench) -> None:
    counts: list[int] = []

    def counting(word: str) -> Reply:
        counts.append(len(queries))
        return call("find_function", query=word)

    with CaptureQueriesContext(connection) as queries:
        words = [f"word{number}" for number in range(8)]
        task = bench.play(*[lambda word=word: counting(word) for word in words], COMPLETE)
    assert task.state == TaskState.COMPLETED
    turns = [later - earlier for earlier, later in pairwise(counts)]
    assert len(set(turns[1:])) == 1, turns
    assert turns[1] <= 45
