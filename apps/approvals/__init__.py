"""People's decisions: frozen requests, votes bound to a digest, policies, grants. Knows kinds only by its registry."""
