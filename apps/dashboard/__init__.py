"""The pages of a workspace: one module per noun with its views and addresses. Composition only: the rules are those of the apps."""
