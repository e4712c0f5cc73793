"""A person as the model."""

from apps.llm.adapters import adapter_of
from apps.llm.types import Message, ModelConfig, Waiting


def test_the_model_waits_for_the_person() -> None:
    assert isinstance(adapter_of("person").complete(ModelConfig("person"), (Message("user", "x"),), ()), Waiting)
