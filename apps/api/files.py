"""Files brought as input, and files that runs made."""

from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.http import HttpResponseBase
from django.utils.http import content_disposition_header
from ninja import File, Router, Status
from ninja.files import UploadedFile

from apps.api.authentication import ApiRequest, in_scope
from apps.api.description import described_problem
from apps.api.schemas import ArtifactOut
from apps.core import blobs
from apps.core.serving import serve_file
from apps.runs.services import find_artifact, store_upload

router = Router()


@router.post("", response={201: ArtifactOut}, summary="Store a file to run a function or a task on")
@in_scope
def upload(request: ApiRequest, file: File[UploadedFile]) -> Status[ArtifactOut]:
    stored = store_upload(actor=request.membership, name=file.name or "", chunks=file.chunks())
    return Status(201, ArtifactOut.of(stored))


@router.get("/{file_id}", response=ArtifactOut, summary="What is known of a file")
@in_scope
def show(request: ApiRequest, file_id: UUID) -> ArtifactOut:
    return ArtifactOut.of(find_artifact(file_id))


BYTES: dict[str, Any] = {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}
DOWNLOAD: dict[int, dict[str, Any]] = {
    200: {"description": "All of it", **BYTES},
    206: {"description": "The range that was asked for", **BYTES},
    304: {"description": "It is what the caller has"},
    416: described_problem(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE),
}


@router.get(
    "/{file_id}/content",
    summary="The file itself, always as a download; a range of it on request",
    openapi_extra={"responses": DOWNLOAD},
)
@in_scope
def content(request: ApiRequest, file_id: UUID) -> HttpResponseBase:
    artifact = find_artifact(file_id)
    stored = blobs.path_of(artifact.workspace_id, artifact.sha256)
    response = serve_file(request, stored, sha256=artifact.sha256, size=artifact.size)
    response.headers["Content-Type"] = "application/octet-stream"
    response.headers["Content-Disposition"] = (
        content_disposition_header(as_attachment=True, filename=artifact.name) or "attachment"
    )
    return response
