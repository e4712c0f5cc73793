"""Pack files, and the packs that ship: look at what they would bring, or load it."""

from ninja import Router

from apps.api.authentication import ApiRequest, in_scope
from apps.api.pack_schemas import PackReportOut, PacksIn, ShippedPackIn, ShippedPackOut
from apps.functions.packs import PackFile, load_packs
from apps.functions.shipped import load_shipped, shipped_packs
from apps.workspaces.roles import Permission
from apps.workspaces.services import require

router = Router()


@router.get("/shipped", response=list[ShippedPackOut], summary="The packs that ship with Selfsmith")
@in_scope
def list_shipped(request: ApiRequest) -> list[ShippedPackOut]:
    require(request.membership, Permission.VIEW)
    return [ShippedPackOut.model_validate(pack, from_attributes=True) for pack in shipped_packs()]


@router.post("/shipped/{name}", response=PackReportOut, summary="Load a pack that ships, or only look at what it would bring")
@in_scope
def load_one_that_ships(request: ApiRequest, name: str, body: ShippedPackIn) -> PackReportOut:
    report = load_shipped(actor=request.membership, name=name, only_look=body.only_look)
    return PackReportOut.model_validate(report, from_attributes=True)


@router.post("", response=PackReportOut, summary="Load the functions of pack files, or only look at what they would bring")
@in_scope
def load(request: ApiRequest, body: PacksIn) -> PackReportOut:
    files = [PackFile(file.name, file.text) for file in body.files]
    report = load_packs(actor=request.membership, files=files, only_look=body.only_look)
    return PackReportOut.model_validate(report, from_attributes=True)
