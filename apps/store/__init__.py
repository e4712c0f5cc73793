"""The state store: what functions remember from run to run."""
