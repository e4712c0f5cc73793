"""The pages of a workspace: one module per noun with its views and addresses. Composition only; what may happen lives in the apps below."""
