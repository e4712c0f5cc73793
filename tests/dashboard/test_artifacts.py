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
