"""States stand in statements as words, so that one plan for all parameters can use the indexes of single states."""

import pytest
from django.db import connection
from django.db.models import Q

from apps.core.tenancy import scope
from apps.runs.models import Run
from apps.runs.states import FAILED, RunState


@pytest.mark.parametrize(
    ("where", "written"),
    [
        (Q(state=RunState.QUEUED), "\"state\" = 'queued'"),
        (Q(state="queued"), "\"state\" = 'queued'"),
        (Q(state__in=[RunState.QUEUED, "running"]), "\"state\" IN ('queued', 'running')"),
        (~Q(state__in=["lost"]), 'NOT ("runs_run"."state" IN (\'lost\'))'),
    ],
)
def test_a_state_is_part_of_the_statement(in_acme, where: Q, written: str) -> None:
    sql, parameters = Run.objects.filter(where).query.sql_with_params()
    assert written in sql
    assert not {"queued", "running", "lost"} & set(map(str, parameters))


@pytest.mark.parametrize("said", ["x' OR true --", "Queued", "100%", ""])
def test_what_is_no_plain_word_stays_a_parameter(in_acme, said: str) -> None:
    for where in (Q(state=said), Q(state__in=["queued", said])):
        sql, parameters = Run.objects.filter(where).query.sql_with_params()
        assert "queued'" not in sql
        assert said in parameters
        assert not Run.objects.filter(where).exists()


def test_a_plan_for_all_parameters_uses_the_index_of_failed_runs(cast) -> None:
    """As a prepared statement has it after some executions."""
    with scope(cast.acme.pk), connection.cursor() as cursor:
        cursor.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        cursor.execute("SET LOCAL enable_seqscan = off")
        sql, parameters = Run.objects.filter(task_id=None, state__in=FAILED).order_by("-finished_at")[:8].query.sql_with_params()
        cursor.execute(f"EXPLAIN {sql}", parameters)
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert "runs_run_failed" in plan
