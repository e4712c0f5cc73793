"""Pack files: look at what they would bring, or load it."""

from ninja import Router

from apps.api.authentication import ApiRequest, in_scope
from apps.api.pack_schemas import PackReportOut, PacksIn
from apps.functions.packs import PackFile, load_packs

router = Router()


@router.post("", response=PackReportOut, summary="Load the functions of pack files, or only look at what they would bring")
@in_scope
def load(request: ApiRequest, body: PacksIn) -> PackReportOut:
    files = [PackFile(file.name, file.text) for file in body.files]
    report = load_packs(actor=request.membership, files=files, only_look=body.only_look)
    return PackReportOut.model_validate(report, from_attributes=True)
