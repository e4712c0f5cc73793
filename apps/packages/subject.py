"""What people vote on: the whole tree with its hashes, frozen, and how it differs from what was granted before."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from apps.packages.locks import Distribution, Lock


def freeze_subject(
    lock: Lock, *, requirements: list[str], evidence: dict[str, Any], evidence_digest: str, granted: Iterable[dict[str, Any]]
) -> dict[str, Any]:
    """The subject of the approval request. `granted` are the stored locks that this workspace has approved so far."""
    needed_by = {each["name"]: each["needed_by"] for each in evidence["distributions"]}
    return {
        "requirements": requirements,
        "index": lock.index,
        "python": lock.python,
        "platform": lock.platform,
        "lock_digest": lock.digest,
        "evidence_digest": evidence_digest,
        "distributions": [
            {
                "name": each.name,
                "version": each.version,
                "filename": each.filename,
                "sha256": each.sha256,
                "needed_by": needed_by[each.name],
            }
            for each in lock.distributions
        ],
        "changes": find_changes(lock.distributions, granted),
    }


def find_changes(distributions: Iterable[Distribution], granted: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Which files this workspace has granted before, which packages it knows in another version, and which are new."""
    before: dict[str, dict[str, str]] = defaultdict(dict)
    for stored in granted:
        for each in stored["distributions"]:
            before[each["name"]][each["sha256"]] = each["version"]
    changes: dict[str, Any] = {"known": [], "changed": [], "new": []}
    for wheel in distributions:
        earlier = before.get(wheel.name)
        if earlier is None:
            changes["new"].append(wheel.name)
        elif wheel.sha256 in earlier:
            changes["known"].append(wheel.name)
        else:
            changes["changed"].append({"name": wheel.name, "from": sorted(set(earlier.values())), "to": wheel.version})
    return changes
