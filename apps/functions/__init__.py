"""Functions: named callables kept as immutable versions with their schema, dependencies and provenance."""
