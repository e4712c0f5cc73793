"""A stored file as an HTTP response: streamed in pieces, in part when a part is asked for, not again when it is known."""

import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse

CHUNK_BYTES = 64 * 1024
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})\Z", re.ASCII)


@dataclass(frozen=True)
class _Part:
    """Bytes from `start` up to, not including, `end`."""

    start: int
    end: int

    @property
    def size(self) -> int:
        return self.end - self.start


def serve_file(request: HttpRequest, path: Path, *, sha256: str, size: int) -> HttpResponseBase:
    """200, 206, 304 or 416. Content type, disposition and policy are the caller's to set.

    The digest is the strong ETag: the same content is the same file, whenever and wherever it was stored.
    """
    etag = f'"{sha256}"'
    response = _answer(request, path, etag, size)
    response.headers["ETag"] = etag
    response.headers["Accept-Ranges"] = "bytes"
    return response


def _answer(request: HttpRequest, path: Path, etag: str, size: int) -> HttpResponseBase:
    if etag in _listed(request.headers.get("If-None-Match", "")):
        return HttpResponse(status=304)
    asked = request.headers.get("Range", "") if request.headers.get("If-Range", etag) == etag else ""
    part = _part_asked_for(asked, size)
    if part is None:
        return HttpResponse(status=416, headers={"Content-Range": f"bytes */{size}"})
    # Under ASGI a synchronous stream would be read whole into memory first.
    is_async = isinstance(request, ASGIRequest)
    response = StreamingHttpResponse(_pieces_later(path, part) if is_async else _pieces(path, part))
    response.headers["Content-Length"] = str(part.size)
    if part.size < size:
        response.status_code = 206
        response.headers["Content-Range"] = f"bytes {part.start}-{part.end - 1}/{size}"
    return response


def _listed(header: str) -> list[str]:
    return [each.strip().removeprefix("W/") for each in header.split(",")]


def _part_asked_for(header: str, size: int) -> _Part | None:
    """The whole for what is no single range of bytes, which a server may leave unheeded; None for one outside the file."""
    match = _RANGE.match(header.strip())
    if match is None or match.groups() == ("", ""):
        return _Part(0, size)
    first, last = match.groups()
    if not first:
        return _Part(max(0, size - int(last)), size) if int(last) and size else None
    start, end = int(first), min(size, int(last) + 1) if last else size
    if last and int(last) < start:
        return _Part(0, size)
    return _Part(start, end) if start < size else None


def _pieces(path: Path, part: _Part) -> Iterator[bytes]:
    left = part.size
    with path.open("rb") as stream:
        stream.seek(part.start)
        while left and (piece := stream.read(min(CHUNK_BYTES, left))):
            left -= len(piece)
            yield piece


async def _pieces_later(path: Path, part: _Part) -> AsyncIterator[bytes]:
    left = part.size
    with path.open("rb") as stream:  # opening is quick; reading may wait for the disk
        stream.seek(part.start)
        while left and (piece := await sync_to_async(stream.read)(min(CHUNK_BYTES, left))):
            left -= len(piece)
            yield piece
