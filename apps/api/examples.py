"""Examples of a version: try them in boxes, see where they stand, and want them met before a version becomes active."""

from ninja import Router, Status

from apps.api.authentication import ApiRequest, in_scope
from apps.api.functions import found_function
from apps.api.schemas import FunctionOut
from apps.api.version_schemas import ExampleOut, RequirementIn
from apps.functions.models import FunctionVersion
from apps.functions.services import find_version, require_examples
from apps.runs.examples import outcomes_of, try_examples

router = Router()
_PATH = "/{name}/versions/{number}/examples"


@router.get(_PATH, response=list[ExampleOut], summary="Examples of a version, each with what came of its last run")
@in_scope
def list_examples(request: ApiRequest, name: str, number: int) -> list[ExampleOut]:
    return [ExampleOut.of(outcome) for outcome in outcomes_of(_version(request, name, number))]


@router.post(_PATH, response={202: list[ExampleOut]}, summary="Run every example of a version in a box of its own")
@in_scope
def try_them(request: ApiRequest, name: str, number: int) -> Status[list[ExampleOut]]:
    version = _version(request, name, number)
    try_examples(actor=request.membership, version=version)
    return Status(202, [ExampleOut.of(outcome) for outcome in outcomes_of(version)])


@router.post("/{name}/examples", response=FunctionOut, summary="Activate only versions whose examples were met, or any")
@in_scope
def want_them(request: ApiRequest, name: str, body: RequirementIn) -> FunctionOut:
    function = found_function(request.membership, name)
    return FunctionOut.of(require_examples(actor=request.membership, function=function, is_required=body.required))


def _version(request: ApiRequest, name: str, number: int) -> FunctionVersion:
    return find_version(actor=request.membership, function=found_function(request.membership, name), number=number)
