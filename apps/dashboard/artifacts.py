"""Files that runs made or people brought, as hostile bytes: sandboxed when shown, attachments otherwise."""

from uuid import UUID

from django.http import HttpResponseBase
from django.urls import path
from django.utils.http import content_disposition_header

from apps.core import blobs
from apps.core.serving import serve_file
from apps.dashboard.access import PageRequest, page
from apps.dashboard.previews import INLINE
from apps.runs.models import Artifact
from apps.runs.services import find_artifact
from apps.workspaces.roles import Permission

# Even opened by itself, in its own tab, the file has no origin, runs no script and loads nothing.
POLICY = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'"


@page(Permission.VIEW)
def raw(request: PageRequest, artifact_id: UUID) -> HttpResponseBase:
    """For the frame and the image of a preview. What is not in the list of harmless kinds is a download."""
    artifact = find_artifact(artifact_id)
    if artifact.media_type not in INLINE:
        return _served(request, artifact, media_type="application/octet-stream", as_attachment=True)
    charset = "; charset=utf-8" if artifact.media_type.startswith("text/") else ""
    return _served(request, artifact, media_type=artifact.media_type + charset, as_attachment=False)


@page(Permission.VIEW)
def download(request: PageRequest, artifact_id: UUID) -> HttpResponseBase:
    return _served(request, find_artifact(artifact_id), media_type="application/octet-stream", as_attachment=True)


def _served(request: PageRequest, artifact: Artifact, *, media_type: str, as_attachment: bool) -> HttpResponseBase:
    path_on_disk = blobs.path_of(artifact.workspace_id, artifact.sha256)
    response = serve_file(request, path_on_disk, sha256=artifact.sha256, size=artifact.size)
    response.headers["Content-Type"] = media_type
    response.headers["Content-Disposition"] = content_disposition_header(as_attachment, artifact.name) or "inline"
    response.headers["Content-Security-Policy"] = POLICY
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
    response.headers["Cache-Control"] = "private, no-store"  # a digest is for going on where a download broke off
    return response


urlpatterns = [
    path("artifacts/<uuid:artifact_id>/raw", raw, name="artifact-raw"),
    path("artifacts/<uuid:artifact_id>/download", download, name="artifact-download"),
]
