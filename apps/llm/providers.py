"""Which of litellm's providers a workspace may use. Pure."""

from __future__ import annotations

from apps.llm.errors import Failure, ModelUnavailable

# These do nothing but send the given key to the provider's own address. Others that litellm knows find credentials on
# the machine (bedrock, vertex_ai, sagemaker), start a sign-in of their own (github_copilot), or take an address from
# the model's name (huggingface, petals): a workspace's admin is not the operator and must not reach those.
BY_KEY_ONLY = frozenset({
    "anthropic", "cerebras", "cohere", "cohere_chat", "dashscope", "deepinfra", "deepseek", "fireworks_ai", "gemini",
    "groq", "mistral", "moonshot", "nebius", "novita", "openai", "openrouter", "perplexity", "sambanova", "together_ai",
    "xai", "zai",
})  # fmt: skip


def check_provider(provider: str, *, has_key: bool, allowed: frozenset[str]) -> None:
    """`allowed` is the operator's list, "*" for all; empty for the built-in one. Raises: ModelUnavailable."""
    usable = allowed or BY_KEY_ONLY
    if "*" not in usable and provider not in usable:
        raise ModelUnavailable(
            Failure.REFUSED,
            f"The provider {provider!r} is not enabled here, because it may use this machine's own credentials or"
            " addresses. The operator can enable it in SELFSMITH_LLM_PROVIDERS.",
        )
    if provider in BY_KEY_ONLY and not has_key:
        raise ModelUnavailable(Failure.WRONG_KEY, f"The provider {provider!r} needs a key, and none is stored.")
