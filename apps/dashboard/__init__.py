"""The pages of a workspace: one module per noun with its views and addresses. Composition only, no rules of its own."""
