"""What a run's code may read of the library: what functions there are, and their sources. As whoever asked for the run."""

from typing import Any

from django.db.models import F

from apps.functions.models import Function, FunctionVersion
from apps.functions.services import NoSuchFunction
from apps.runs.children import BadCall, person_behind
from apps.runs.models import Run
from apps.workspaces.roles import Permission
from apps.workspaces.services import require

PAGE = 100
MOST_VERSIONS = 50


def list_functions(run: Run, payload: dict[str, Any]) -> dict[str, Any]:
    """The verb: a page of functions by name. `next` is what the next page is asked for with; empty at the end.

    Raises: BadCall, NobodyBehindRun, PermissionMissing.
    """
    _may_look(run)
    after = payload.get("after", "")
    if not isinstance(after, str):
        raise BadCall("“after” is the name of a function.")
    visible = Function.objects.visible_in(run.function.task_id).filter(active_version__isnull=False, name__gt=after)
    visible = visible.select_related("active_version").defer("active_version__source")
    # Of two of one name the task's own comes last, and stands.
    rows = list(
        {each.name: each for each in visible.order_by("name", F("task_id").asc(nulls_first=True))[: 2 * PAGE + 1]}.values()
    )
    shown = rows[:PAGE]
    return {
        "functions": [
            {
                "name": each.name,
                "description": each.description,
                "tags": each.tags,
                "version": each.active_version.number,
                "schema": each.active_version.input_schema,
            }
            for each in shown
            if each.active_version
        ],
        "next": shown[-1].name if len(rows) > PAGE else "",
    }


def read_function(run: Run, payload: dict[str, Any]) -> dict[str, Any]:
    """The verb: a function's active version, with its source.

    Raises: BadCall, NoSuchFunction, NobodyBehindRun, PermissionMissing.
    """
    _may_look(run)
    return _told(_active(run, payload), is_active=True)


def list_versions(run: Run, payload: dict[str, Any]) -> list[dict[str, Any]]:
    """The verb: the latest versions of a function, oldest first.

    Raises: as read_function.
    """
    _may_look(run)
    active = _active(run, payload)
    rows = FunctionVersion.objects.filter(function=active.function_id).select_related("function").order_by("-number")
    return [_told(each, is_active=each.pk == active.pk) for each in reversed(rows[:MOST_VERSIONS])]


def _may_look(run: Run) -> None:
    require(person_behind(run), Permission.VIEW)


def _active(run: Run, payload: dict[str, Any]) -> FunctionVersion:
    name = payload.get("name")
    if not isinstance(name, str):
        raise BadCall("It needs the name of a function.")
    version = FunctionVersion.objects.active_by_name([name], task_id=run.function.task_id).get(name)
    if version is None:
        raise NoSuchFunction(f"There is no function “{name[:100]}” that this run could read.")
    return version


def _told(version: FunctionVersion, *, is_active: bool) -> dict[str, Any]:
    return {
        "name": version.function.name,
        "version": version.number,
        "is_active": is_active,
        "description": version.function.description,
        "source": version.source,
        "schema": version.input_schema,
        "output_schema": version.output_schema,
        "dependencies": version.dependencies,
        "imports": [each["module"] for each in version.imports],
        "created_at": version.created_at.isoformat(),
    }
