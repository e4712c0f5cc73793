"""The way out of a box: a proxy of its own that reaches the hosts of its job and nothing else, and tells every attempt.

    proxy = EgressProxy(listener, policy=Policy(frozenset({Target("api.example.org", 443)})))
    …
    proxy.report(on_event)      # what has ended since; the caller's own thread calls back
    proxy.close()               # nothing is open afterwards

A box has no network interface. Its proxy listens on a unix socket in the box's own read-only mount, so who speaks is known
by where they speak, and there is no token to steal. Names and addresses are checked apart: a name must be one of the job's,
exactly; every address that it resolves to must be public, and the connection goes to an address that was checked.
"""

from sandbox.egress.limits import EgressLimits
from sandbox.egress.proxy import EgressProxy
from sandbox.egress.targets import Policy, Refused, Target, parse_grant

__all__ = ["EgressLimits", "EgressProxy", "Policy", "Refused", "Target", "parse_grant"]
