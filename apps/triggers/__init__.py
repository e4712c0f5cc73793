"""Events: what has happened in a workspace, stored. Rules: what is run because of it."""
