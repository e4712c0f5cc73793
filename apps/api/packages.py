"""Sets of packages: ask for one, see how far it is."""

from uuid import UUID

from ninja import Router, Status

from apps.api.authentication import ApiRequest, in_scope
from apps.api.paging import USUAL, page_of
from apps.api.schemas import PackageSetIn, PackageSetOut, Page
from apps.packages.models import PackageSet
from apps.packages.services import get_package_set, require_packages
from apps.workspaces.roles import Permission
from apps.workspaces.services import require

router = Router()


@router.get("", response=Page[PackageSetOut], summary="What was asked for, newest first")
@in_scope
def list_package_sets(request: ApiRequest, after: UUID | None = None, limit: int = USUAL) -> object:
    require(request.membership, Permission.VIEW)
    return page_of(PackageSet.objects.all(), after=after, limit=limit, show=PackageSetOut.of)


@router.post("", response={202: PackageSetOut}, summary="Ask for packages; a person decides")
@in_scope
def ask(request: ApiRequest, body: PackageSetIn) -> Status[PackageSetOut]:
    asked = require_packages(actor=request.membership, requirements=body.requirements, reason=body.reason)
    return Status(202, PackageSetOut.of(asked))


@router.get("/{package_set_id}", response=PackageSetOut, summary="One set")
@in_scope
def show(request: ApiRequest, package_set_id: UUID) -> PackageSetOut:
    return PackageSetOut.of(get_package_set(actor=request.membership, package_set_id=package_set_id))
