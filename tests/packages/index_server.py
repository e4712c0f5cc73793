"""A package index on loopback with home-made wheels: HTML and JSON pages, optional project facts, files.

Nothing third-party is needed: the wheels are written here, byte for byte the same on every run.
"""

import base64
import hashlib
import io
import json
import tarfile
import threading
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

LONG_AGO = "2020-01-02T03:04:05Z"


@dataclass
class ServedFile:
    project: str
    filename: str
    content: bytes
    uploaded_at: str | None = LONG_AGO
    yanked: str | None = None
    requires_python: str | None = None
    listed_sha256: str = ""  # what the page says, which a test may leave as it was while the content changes

    def __post_init__(self) -> None:
        self.listed_sha256 = self.listed_sha256 or hashlib.sha256(self.content).hexdigest()


@dataclass
class LoopbackIndex:
    """What the server offers. Add files at any time; `url` is the address of the simple index."""

    port: int = 0
    files: dict[str, ServedFile] = field(default_factory=dict)
    facts: dict[str, dict[str, Any]] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    html_only: bool = False
    asked: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/simple"

    def add_wheel(
        self,
        name: str,
        version: str = "1.0",
        *,
        requires: Sequence[str] = (),
        modules: Mapping[str, str] | None = None,
        tag: str = "py3-none-any",
        metadata: str = "",
        **served: Any,
    ) -> ServedFile:
        content = make_wheel(name, version, requires=requires, modules=modules, tag=tag, metadata=metadata)
        return self.add_file(name, f"{name.replace('-', '_')}-{version}-{tag}.whl", content, **served)

    def add_source(self, name: str, version: str = "1.0", *, setup: str = "", **served: Any) -> ServedFile:
        return self.add_file(name, f"{name.replace('-', '_')}-{version}.tar.gz", make_source(name, version, setup), **served)

    def add_file(self, name: str, filename: str, content: bytes, **served: Any) -> ServedFile:
        self.files[filename] = ServedFile(name, filename, content, **served)
        return self.files[filename]


def make_wheel(
    name: str,
    version: str,
    *,
    requires: Sequence[str] = (),
    modules: Mapping[str, str] | None = None,
    tag: str = "py3-none-any",
    metadata: str = "",
) -> bytes:
    """A wheel with RECORD; `modules` maps paths to sources, by default one module that holds its version."""
    module = name.replace("-", "_")
    info = f"{module}-{version}.dist-info"
    needs = "".join(f"Requires-Dist: {each}\n" for each in requires)
    content = {
        **(modules if modules is not None else {f"{module}.py": f'VERSION = "{version}"\n'}),
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}{metadata}",
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {tag}\n",
    }
    record = "".join(f"{path},{_record_hash(text.encode())},{len(text.encode())}\n" for path, text in content.items())
    return make_zip({**content, f"{info}/RECORD": f"{record}{info}/RECORD,,\n"})


def make_zip(content: Mapping[str, str]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for path, text in content.items():
            archive.writestr(zipfile.ZipInfo(path), text)  # a fixed date, so that equal wheels are equal bytes
    return target.getvalue()


def make_source(name: str, version: str, setup: str) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz") as archive:
        for path, text in {"setup.py": setup, "PKG-INFO": f"Metadata-Version: 1.0\nName: {name}\nVersion: {version}\n"}.items():
            entry = tarfile.TarInfo(f"{name}-{version}/{path}")
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text.encode()))
    return target.getvalue()


@contextmanager
def serve_index() -> Iterator[LoopbackIndex]:
    """Run an empty index on a free port until the block ends."""
    index = LoopbackIndex()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_for(index))
    index.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield index
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _record_hash(content: bytes) -> str:
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


def _handler_for(index: LoopbackIndex) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            index.asked.append(self.path)
            self._answer(*_find(index, self.path, self.headers.get("Accept", "")))

        def do_HEAD(self) -> None:
            self._answer(*_find(index, self.path, self.headers.get("Accept", "")), with_body=False)

        def _answer(self, status: int, kind: str, body: bytes, *, with_body: bool = True) -> None:
            self.send_response(status)
            if status == 302:
                self.send_header("Location", body.decode())
                body = b""
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if with_body:
                self.wfile.write(body)

        def log_message(self, *arguments: Any) -> None:
            """Quiet: `asked` holds the paths."""

    return Handler


def _find(index: LoopbackIndex, path: str, accept: str) -> tuple[int, str, bytes]:
    parts = path.strip("/").split("/")
    if path in index.redirects:
        return 302, "text/plain", index.redirects[path].encode()
    if parts[0] == "files" and parts[-1] in index.files:
        return 200, "application/octet-stream", index.files[parts[-1]].content
    if parts[0] == "pypi" and parts[1] in index.facts:
        return 200, "application/json", json.dumps(index.facts[parts[1]]).encode()
    offered = [each for each in index.files.values() if parts[0] == "simple" and each.project == parts[-1]]
    if not offered:
        return 404, "text/plain", b"not here"
    if "json" in accept and not index.html_only:
        return 200, "application/vnd.pypi.simple.v1+json", json.dumps(_json_page(parts[-1], offered)).encode()
    return 200, "text/html", "".join(_anchor(each) for each in offered).encode()


def _json_page(name: str, offered: list[ServedFile]) -> dict[str, Any]:
    files = [
        {
            "filename": each.filename,
            "url": f"/files/{each.filename}",
            "hashes": {"sha256": each.listed_sha256},
            "size": len(each.content),
            "yanked": each.yanked if each.yanked is not None else False,
            **({"upload-time": each.uploaded_at} if each.uploaded_at else {}),
            **({"requires-python": each.requires_python} if each.requires_python else {}),
        }
        for each in offered
    ]
    return {"meta": {"api-version": "1.1"}, "name": name, "files": files}


def _anchor(each: ServedFile) -> str:
    uploaded = f' data-upload-time="{each.uploaded_at}"' if each.uploaded_at else ""
    yanked = f' data-yanked="{each.yanked}"' if each.yanked is not None else ""
    return f'<a href="/files/{each.filename}#sha256={each.listed_sha256}"{uploaded}{yanked}>{each.filename}</a>\n'
