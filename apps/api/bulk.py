"""Many runs at once: have them cancelled or run again, and see how far it has come."""

from uuid import UUID

from ninja import HeaderEx, P, Router, Status

from apps.api.authentication import ApiRequest, in_scope
from apps.api.bulk_schemas import BulkIn, BulkOut
from apps.api.paging import USUAL, page_of
from apps.api.runs import filter_of
from apps.api.schemas import Page
from apps.core.errors import Invalid
from apps.runs.bulk import find_bulk_action, request_bulk
from apps.runs.bulk_actions import BulkAction, BulkKind
from apps.workspaces.roles import Permission
from apps.workspaces.services import require

router = Router()


class BadBulk(Invalid):
    code = "bad_bulk"


@router.get("", response=Page[BulkOut], summary="Requests for many runs, newest first")
@in_scope
def list_bulk(request: ApiRequest, after: UUID | None = None, limit: int = USUAL) -> object:
    require(request.membership, Permission.VIEW)
    return page_of(BulkAction.objects.defer("run_ids"), after=after, limit=limit, show=BulkOut.of)


@router.post("", response={202: BulkOut}, summary="Cancel many runs, or run them again, in the background")
@in_scope
def ask(
    request: ApiRequest,
    body: BulkIn,
    idempotency_key: HeaderEx[str | None, P(alias="Idempotency-Key", min_length=1, max_length=255)] = None,
) -> Status[BulkOut]:
    require(request.membership, Permission.RUN)
    if body.kind not in list(BulkKind):
        raise BadBulk("The kind is cancel or rerun.")
    if bool(body.runs) == (body.filter is not None):
        raise BadBulk("Name runs, or give a filter: one of the two.")
    action = request_bulk(
        actor=request.membership,
        kind=BulkKind(body.kind),
        run_ids=body.runs,
        wanted=filter_of(request.membership, body.filter) if body.filter else None,
        with_active_version=body.with_active_version,
        idempotency_key=idempotency_key,
    )
    return Status(202, BulkOut.of(find_bulk_action(action.pk)))


@router.get("/{bulk_id}", response=BulkOut, summary="How far a request has come, and what could not be")
@in_scope
def show(request: ApiRequest, bulk_id: UUID) -> BulkOut:
    require(request.membership, Permission.VIEW)
    return BulkOut.of(find_bulk_action(bulk_id))
