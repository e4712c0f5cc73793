"""Files of boxes are hostile: how they may be shown."""

from types import SimpleNamespace

import pytest

from apps.core.tenancy import scope
from apps.runs.services import store_upload


@pytest.fixture
def stored(cast: SimpleNamespace):
    def store(name: str, content: bytes = b"<script>alert(1)</script>"):
        with scope(cast.acme.pk):
            return store_upload(actor=cast.developer, name=name, chunks=[content])

    return store


def raw(client, artifact, way: str = "raw"):
    return client.get(f"/w/acme/artifacts/{artifact.pk}/{way}")


@pytest.mark.parametrize("way", ["raw", "download"])
@pytest.mark.parametrize("name", ["page.html", "drawing.svg", "notes.txt", "plot.png", "tool.js", "thing"])
def test_no_file_gets_an_origin_a_script_or_a_guess(cast, stored, sign_in, name: str, way: str) -> None:
    response = raw(sign_in(cast.viewer), stored(name), way)
    policy = response.headers["Content-Security-Policy"]
    assert policy.startswith("sandbox; default-src 'none'")
    assert "allow-" not in policy
    assert "script-src" not in policy
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert b"".join(response.streaming_content) == b"<script>alert(1)</script>"


@pytest.mark.parametrize(
    ("name", "media_type"),
    [("page.html", "text/html; charset=utf-8"), ("notes.txt", "text/plain; charset=utf-8"), ("plot.png", "image/png")],
)
def test_what_can_be_previewed_is_shown_inline(cast, stored, sign_in, name: str, media_type: str) -> None:
    response = raw(sign_in(cast.viewer), stored(name))
    assert response.headers["Content-Type"] == media_type
    assert response.headers["Content-Disposition"].startswith("inline")


@pytest.mark.parametrize("name", ["drawing.svg", "tool.js", "page.xhtml", "thing"])
def test_everything_else_is_a_download(cast, stored, sign_in, name: str) -> None:
    response = raw(sign_in(cast.viewer), stored(name))
    assert response.headers["Content-Type"] == "application/octet-stream"
    assert response.headers["Content-Disposition"].startswith("attachment")


def test_a_download_keeps_the_name_whatever_it_holds(cast, stored, sign_in) -> None:
    response = raw(sign_in(cast.viewer), stored('a"b;é.html'), "download")
    assert response.headers["Content-Disposition"].startswith("attachment; filename")
    assert "\n" not in response.headers["Content-Disposition"]


def test_a_file_that_is_gone_from_the_disk_is_not_found(cast, stored, sign_in, home) -> None:
    artifact = stored("notes.txt")
    for path in home.rglob(artifact.sha256):
        path.unlink()
    assert raw(sign_in(cast.viewer), artifact).status_code == 404


@pytest.mark.parametrize(
    ("asked", "status", "content", "where"),
    [
        ("bytes=0-3", 206, b"0123", "bytes 0-3/10"),
        ("bytes=7-", 206, b"789", "bytes 7-9/10"),
        ("bytes=-2", 206, b"89", "bytes 8-9/10"),
        ("bytes=5-99", 206, b"56789", "bytes 5-9/10"),
        ("bytes=0-9", 200, b"0123456789", None),
        ("bytes=0-1,4-5", 200, b"0123456789", None),
        ("lines=1-2", 200, b"0123456789", None),
        ("bytes=5-2", 200, b"0123456789", None),
        ("bytes=10-", 416, b"", "bytes */10"),
        ("bytes=-0", 416, b"", "bytes */10"),
    ],
)
def test_a_part_of_a_file_is_served_when_a_part_is_asked_for(
    cast, stored, sign_in, asked: str, status: int, content: bytes, where: str | None
) -> None:
    artifact = stored("digits.bin", b"0123456789")
    response = sign_in(cast.viewer).get(f"/w/acme/artifacts/{artifact.pk}/download", headers={"Range": asked})
    assert (response.status_code, response.headers.get("Content-Range")) == (status, where)
    assert b"".join(response) == content
    assert response.headers["ETag"] == f'"{artifact.sha256}"'
    assert response.headers["Content-Security-Policy"].startswith("sandbox")


def test_a_file_that_the_asker_has_is_not_sent_again(cast, stored, sign_in) -> None:
    artifact = stored("digits.bin", b"0123456789")
    address, etag = f"/w/acme/artifacts/{artifact.pk}/download", f'"{artifact.sha256}"'
    assert sign_in(cast.viewer).get(address, headers={"If-None-Match": f'"other", {etag}'}).status_code == 304
    resumed = sign_in(cast.viewer).get(address, headers={"Range": "bytes=8-", "If-Range": etag})
    assert b"".join(resumed) == b"89"
    changed = sign_in(cast.viewer).get(address, headers={"Range": "bytes=8-", "If-Range": '"older"'})
    assert b"".join(changed) == b"0123456789"


def test_a_stranger_learns_nothing_by_an_etag(cast, stored, sign_in) -> None:
    artifact = stored("digits.bin", b"0123456789")
    address = f"/w/acme/artifacts/{artifact.pk}/download"
    assert sign_in(cast.stranger).get(address, headers={"If-None-Match": f'"{artifact.sha256}"'}).status_code == 404
