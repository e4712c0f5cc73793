"""Reads the package index that the operator named, and nothing else: simple pages, project facts, files.

Everything that comes from it is data of strangers: sizes and times are capped, and only HTTP is spoken.
"""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException, HTTPMessage
from typing import IO, Any
from urllib import error, request
from urllib.parse import urljoin, urlsplit

from apps.core.errors import NotFound, TooLarge, Unavailable
from apps.packages.simple_page import IndexFile, read_html_page, read_json_page

JSON_PAGE = "application/vnd.pypi.simple.v1+json"
LARGEST_PAGE = 32 * 1024 * 1024  # the page of a project with thousands of files is some 10 MiB
CHUNK = 256 * 1024


class IndexUnreachable(Unavailable):
    """The index did not answer, or not properly; trying again later may help."""

    code = "index_unreachable"


class NoSuchProject(NotFound):
    code = "no_such_project"


class AnswerTooLarge(TooLarge):
    code = "index_answer_too_large"


class _CheckedRedirects(request.HTTPRedirectHandler):
    """Follows a redirect only to where the index itself may send us."""

    max_redirections = 3

    def __init__(self, index: "PackageIndex") -> None:
        self._index = index

    def redirect_request(
        self, req: request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> request.Request | None:
        self._index.check_address(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


@dataclass(frozen=True)
class PackageIndex:
    """One simple index (PEP 503 and 691) by its address, such as ``https://pypi.org/simple``."""

    url: str
    timeout: float = 20.0  # seconds for each wait on the network

    def check_address(self, url: str) -> None:
        """HTTPS anywhere; plain HTTP only on the index's own host, and only when the index itself is plain HTTP.

        Raises: IndexUnreachable for anything else (file:, ftp:, plain HTTP elsewhere).
        """
        here, there = urlsplit(self.url), urlsplit(url)
        plain_allowed = here.scheme == "http" and there.hostname == here.hostname
        if there.scheme == "https" or (there.scheme == "http" and plain_allowed):
            return
        raise IndexUnreachable(f"The package index points to {url}, which is not an address it may use.", url=url)

    def files(self, name: str) -> list[IndexFile]:
        """Every file of a project.

        Raises: NoSuchProject, IndexUnreachable, AnswerTooLarge.
        """
        address = f"{self.url.rstrip('/')}/{name}/"
        with self._open(address, accept=f"{JSON_PAGE}, text/html;q=0.5", missing=name) as answer:
            body = _read_capped(answer, LARGEST_PAGE)
            base = answer.geturl()
            is_json = answer.headers.get_content_type() == JSON_PAGE
        try:
            found = read_json_page(body) if is_json else read_html_page(body)
        except (ValueError, KeyError, TypeError) as problem:
            raise IndexUnreachable(f"The package index gave no readable page for “{name}”.", name=name) from problem
        return [each.at(urljoin(base, each.url)) for each in found]

    def project_facts(self, name: str) -> dict[str, Any] | None:
        """What PyPI's JSON page says of a project; None when this index has no such page.

        Raises: IndexUnreachable, AnswerTooLarge.
        """
        root, last, rest = self.url.rstrip("/").rpartition("/simple")
        if not last or rest:
            return None
        try:
            with self._open(f"{root}/pypi/{name}/json", accept="application/json", missing=name) as answer:
                facts = json.loads(_read_capped(answer, LARGEST_PAGE))
        except NoSuchProject:
            return None
        except ValueError as problem:
            raise IndexUnreachable(f"The package index gave no readable facts for “{name}”.") from problem
        return facts if isinstance(facts, dict) else None

    def stream(self, url: str, *, limit: int, seconds: float) -> Iterator[bytes]:
        """The bytes of one file, in chunks.

        Raises: AnswerTooLarge past `limit` bytes; IndexUnreachable past `seconds` or on any network trouble.
        """
        deadline, received = time.monotonic() + seconds, 0
        with self._open(url, accept="*/*", missing=url) as answer:
            while chunk := answer.read(CHUNK):
                received += len(chunk)
                if received > limit:
                    raise AnswerTooLarge(f"A package file is larger than {limit // 2**20} MiB.", limit=limit, url=url)
                if time.monotonic() > deadline:
                    raise IndexUnreachable(f"Fetching a package file took more than {seconds:.0f} seconds.", url=url)
                yield chunk

    @contextmanager
    def _open(self, url: str, *, accept: str, missing: str) -> Iterator[Any]:
        headers = {"Accept": accept, "User-Agent": "selfsmith"}
        self.check_address(url)
        asked = request.Request(url, headers=headers)  # noqa: S310  checked in the line above, and at each redirect
        try:
            with self._opener().open(asked, timeout=self.timeout) as answer:
                yield answer
        except error.HTTPError as problem:
            with problem:
                if problem.code in (404, 410):
                    raise NoSuchProject(f"The package index has no “{missing}”.", name=missing) from problem
                raise IndexUnreachable(f"The package index answered with status {problem.code}.", url=url) from problem
        except (OSError, HTTPException) as problem:
            raise IndexUnreachable(f"The package index at {self.url} cannot be reached.", url=url) from problem

    def _opener(self) -> request.OpenerDirector:
        opener = request.OpenerDirector()
        handlers: list[request.BaseHandler] = [
            request.ProxyHandler({} if self.is_loopback else None),
            request.UnknownHandler(),
            request.HTTPHandler(),
            request.HTTPSHandler(),
            request.HTTPDefaultErrorHandler(),
            _CheckedRedirects(self),
            request.HTTPErrorProcessor(),
        ]
        for handler in handlers:
            opener.add_handler(handler)
        return opener

    @property
    def is_loopback(self) -> bool:
        return urlsplit(self.url).hostname in ("127.0.0.1", "::1", "localhost")


def _read_capped(answer: Any, limit: int) -> bytes:
    body: bytes = answer.read(limit + 1)
    if len(body) > limit:
        raise AnswerTooLarge(f"The package index gave a page of more than {limit // 2**20} MiB.", limit=limit)
    return body
