"""A memory that stays from run to run: documents in the workspace's store, kept when the run succeeds."""

import func

import selfsmith

COLLECTION = "memory"
COUNTERS = "counters"


@selfsmith.register_function(metadata={"description": "Keep a value under a key.", "tags": ["memory"]})
def remember(key: str, value: object) -> object:
    """Keep a value under a key, in place of what was there. Gives the value.

    Args:
        key: what to find it by.
        value: anything that has a JSON form.
    """
    func.store.put(COLLECTION, key, value)
    return value


@selfsmith.register_function(metadata={"description": "The value that is kept under a key.", "tags": ["memory"]})
def recall(key: str, default: object = None) -> object:
    """The value that is kept under a key.

    Args:
        key: what it was kept under.
        default: what to give where there is none.
    """
    return func.store.get(COLLECTION, key, default)


@selfsmith.register_function(metadata={"description": "Forget what is kept under a key.", "tags": ["memory"]})
def forget(key: str) -> bool:
    """Forget what is kept under a key. Gives whether there was something.

    Args:
        key: what it was kept under.
    """
    return func.store.delete(COLLECTION, key)


@selfsmith.register_function(metadata={"description": "All that is kept, by key.", "tags": ["memory"]})
def remembered(prefix: str = "", limit: int = 1000) -> dict:
    """All that is kept, by key.

    Args:
        prefix: only keys that begin so.
        limit: how many at most.
    """
    return {each.key: each.value for each in func.store.query(COLLECTION, prefix=prefix, limit=limit)}


@selfsmith.register_function(metadata={"description": "Count a named counter up, and give the new count.", "tags": ["memory"]})
def count_up(name: str, by: int = 1) -> int:
    """Count a named counter up, and give the new count.

    Of two runs that count at once the one that ends later fails and counts nothing: start it again.

    Args:
        name: the counter's name.
        by: how far; below zero counts down.
    """
    count = func.store.get(COUNTERS, name, 0) + by
    func.store.put(COUNTERS, name, count)
    return count
