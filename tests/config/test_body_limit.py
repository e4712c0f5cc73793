"""Bodies over the limit never reach the application."""

from typing import Any

from config.body_limit import BodyLimit


async def call(headers: list[tuple[bytes, bytes]], *pieces: bytes) -> tuple[int | None, bytes, list[str]]:
    """The status, what the application read, and the types of the messages that it saw."""
    read, seen, status = b"", [], None
    messages = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]

    async def application(scope: Any, receive: Any, send: Any) -> None:
        nonlocal read
        for _ in pieces:
            message = await receive()
            seen.append(message["type"])
            read += message.get("body", b"")
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def receive() -> dict[str, Any]:
        return messages.pop(0)

    async def send(message: dict[str, Any]) -> None:
        nonlocal status
        status = message.get("status", status)

    await BodyLimit(application, max_bytes=10)({"type": "http", "headers": headers}, receive, send)
    return status, read, seen


async def test_a_body_within_the_limit_passes() -> None:
    assert await call([(b"content-length", b"10")], b"12345", b"67890") == (200, b"1234567890", ["http.request"] * 2)


async def test_a_declared_size_over_the_limit_is_answered_413_unread() -> None:
    assert await call([(b"content-length", b"11")], b"12345") == (413, b"", [])


async def test_a_header_that_is_no_number_is_refused() -> None:
    assert (await call([(b"content-length", b"-1")], b"1"))[0] == 413


async def test_a_body_that_lies_about_its_size_is_cut_off() -> None:
    _, read, seen = await call([], b"12345", b"678901", b"2")
    assert read == b"12345"
    assert seen == ["http.request", "http.disconnect", "http.disconnect"]
