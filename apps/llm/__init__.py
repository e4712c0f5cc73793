"""Language models: one way to ask any of them. Only this app may import litellm or open a model's key."""
