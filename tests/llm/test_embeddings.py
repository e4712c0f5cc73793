"""Vectors of texts: one contract for the real adapter, over HTTP, and for the prepared one."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from apps.llm.adapters import adapter_of
from apps.llm.errors import Failure, ModelUnavailable
from apps.llm.scripted_server import ScriptedServer, _Exchange
from apps.llm.types import Embeddings, Message, ModelConfig

LOOPBACK = frozenset({"127.0.0.1"})
TEXTS = ("the cat sat on the mat", "a cat sat on a mat", "quarterly revenue grew", "")


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer(key="sk-very-secret-key") as running:
        yield running


def config_of(server: ScriptedServer) -> ModelConfig:
    address = ("litellm", "openai/scripted", server.base_url, "sk-very-secret-key")
    return ModelConfig(*address, timeout_seconds=20, allowed_local_hosts=LOOPBACK)


@pytest.fixture(params=["litellm", "scripted"])
def config(request: pytest.FixtureRequest, server: ScriptedServer) -> ModelConfig:
    return config_of(server) if request.param == "litellm" else ModelConfig("scripted")


def embed(config: ModelConfig, *texts: str) -> Embeddings:
    return adapter_of(config.kind).embed(config, texts)


def closeness(first: tuple[float, ...], second: tuple[float, ...]) -> float:
    return sum(a * b for a, b in zip(first, second, strict=True))


def test_each_text_has_a_vector_in_its_place_and_all_are_of_one_length(config: ModelConfig) -> None:
    found = embed(config, *TEXTS)
    assert len(found.vectors) == len(TEXTS)
    assert len({len(vector) for vector in found.vectors}) == 1
    assert embed(config, TEXTS[2]).vectors[0] == pytest.approx(found.vectors[2])


def test_texts_that_share_words_lie_closer_than_those_that_do_not(config: ModelConfig) -> None:
    first, like, other, _ = embed(config, *TEXTS).vectors
    assert closeness(first, like) > closeness(first, other) + 0.3


def test_what_it_used_is_told(server: ScriptedServer) -> None:
    usage = embed(config_of(server), *TEXTS[:3]).usage
    assert (usage.input_tokens > 0, usage.output_tokens, usage.cost_usd) == (True, 0, None)


def test_a_person_gives_no_vectors() -> None:
    with pytest.raises(ModelUnavailable, match="A person gives no vectors"):
        embed(ModelConfig("person"), "x")


@pytest.mark.parametrize("fault", ["rate_limited", "server_error", "not_json", "redirect"])
def test_a_fault_of_the_server_is_a_failure_with_a_kind_and_asked_once(server: ScriptedServer, fault: str) -> None:
    server.faults.append(fault)
    with pytest.raises(ModelUnavailable) as caught:
        embed(config_of(server), "x")
    assert caught.value.kind in (Failure.RATE_LIMITED, Failure.UNREACHABLE, Failure.BAD_REPLY)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [{"index": 0, "embedding": [0.5]}],
        [{"index": 0, "embedding": []}, {"index": 1, "embedding": []}],
        [{"index": 0, "embedding": [0.5]}, {"index": 1, "embedding": [0.5, 0.5]}],
    ],
)
def test_vectors_that_are_none_are_no_reply(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, rows: list[dict]) -> None:
    told = {"object": "list", "model": "scripted", "data": rows, "usage": {"prompt_tokens": 1, "total_tokens": 1}}
    monkeypatch.setattr(_Exchange, "send_vectors", lambda self: self.send_json(200, told))
    with pytest.raises(ModelUnavailable) as caught:
        embed(config_of(server), "a", "b")
    assert caught.value.kind is Failure.BAD_REPLY


@pytest.mark.parametrize(("most", "sent"), [(None, None), (77, 77)])
def test_a_server_of_one_s_own_is_told_how_long_a_reply_may_be(
    server: ScriptedServer, most: int | None, sent: int | None
) -> None:
    config = replace(config_of(server), max_output_tokens=most)
    adapter_of("litellm").complete(config, (Message("user", "This is a test of the connection."),), ())
    assert server.requests[0].get("max_tokens") == sent
