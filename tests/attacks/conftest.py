"""The attackers' bench: workers' steps run in the test's own thread on real gVisor, so everything is committed."""

from tests.runs.conftest import _all_answered, _boxes_closed, cast, run_now

__all__ = ["_all_answered", "_boxes_closed", "cast", "run_now"]
