"""Reads one project's page of a simple index: HTML (PEP 503) or JSON (PEP 691, 700). Pure text in, files out."""

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any
from urllib.parse import unquote, urldefrag, urlsplit


@dataclass(frozen=True)
class IndexFile:
    """One file that the index offers. What the index does not say is None."""

    filename: str
    url: str
    sha256: str | None = None
    uploaded_at: datetime | None = None
    size: int | None = None
    yanked: bool = False
    yanked_reason: str = ""
    requires_python: str | None = None

    def at(self, url: str) -> "IndexFile":
        return replace(self, url=url)


def read_json_page(body: bytes) -> list[IndexFile]:
    """Raises: ValueError, KeyError, TypeError for what is no such page."""
    return [_from_json(each) for each in json.loads(body)["files"]]


def read_html_page(body: bytes) -> list[IndexFile]:
    page = _Links()
    page.feed(body.decode("utf-8", "replace"))
    page.close()
    return page.files


def read_time(text: str | None) -> datetime | None:
    """A time in ISO 8601, taken as UTC when it names no zone; None when it is missing or unreadable."""
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _from_json(each: dict[str, Any]) -> IndexFile:
    yanked = each.get("yanked", False)
    return IndexFile(
        filename=each["filename"],
        url=each["url"],
        sha256=each["hashes"].get("sha256"),
        uploaded_at=read_time(each.get("upload-time")),
        size=each.get("size"),
        yanked=bool(yanked),
        yanked_reason=yanked if isinstance(yanked, str) else "",
        requires_python=each.get("requires-python"),
    )


class _Links(HTMLParser):
    """Collects the anchors. `data-upload-time` is no standard, but mirrors of PyPI give it."""

    def __init__(self) -> None:
        super().__init__()
        self.files: list[IndexFile] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        href = given.get("href")
        if tag != "a" or not href:
            return
        url, fragment = urldefrag(href)
        algorithm, _, value = fragment.partition("=")
        self.files.append(
            IndexFile(
                filename=unquote(urlsplit(url).path.rpartition("/")[2]),
                url=url,
                sha256=value if algorithm == "sha256" else None,
                uploaded_at=read_time(given.get("data-upload-time")),
                yanked="data-yanked" in given,
                yanked_reason=given.get("data-yanked") or "",
                requires_python=given.get("data-requires-python"),
            )
        )
