"""approvals: what waits for people. Votes are people's, at a page; the platform takes none from a token."""

from typing import Any

import click

from selfsmith.cli.frame import GAVE_UP, common, place_of, signed_in
from selfsmith.cli.output import Output, is_interactive
from selfsmith.client import Client
from selfsmith.errors import Forbidden
from selfsmith.models import ApprovalDetail

COLUMNS = {"id": "REQUEST", "kind": "KIND", "state": "STATE", "asked_by": "ASKED BY", "reason": "REASON"}
TOKENS_CANNOT = "token_cannot"
REASON = click.option("--reason", default="", help="Why; told to whoever asked.")
YES = click.option("--yes", is_flag=True, help="Do not ask.")
REQUEST = click.argument("request_id", metavar="REQUEST")


@click.group()
def approvals() -> None:
    """Requests that wait for people."""


@approvals.command("list")
@click.option("--state", default="open", show_default=True, help="open, approved, rejected …; empty for all.")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True)
@common
def approvals_list(out: Output, state: str, limit: int) -> None:
    """Requests, newest first."""
    with signed_in() as client:
        out.rows(client.approvals.list(state=state, limit=limit), COLUMNS, nothing="Nothing waits.")


@approvals.command("show")
@REQUEST
@common
def approvals_show(out: Output, request_id: str) -> None:
    """One request with what exactly is asked for."""
    with signed_in() as client:
        found = client.approvals.get(request_id)
        if out.as_json:
            out.document(found)
        else:
            _show(out, client, found)


@approvals.command("approve")
@REQUEST
@REASON
@YES
@common
def approve(out: Output, request_id: str, reason: str, *, yes: bool) -> None:
    """Approve a request. The platform lets people do so at its page; with a token it says no, and where the page is."""
    _decide(out, request_id, "approve", reason, yes=yes)


@approvals.command("reject")
@REQUEST
@REASON
@YES
@common
def reject(out: Output, request_id: str, reason: str, *, yes: bool) -> None:
    """Reject a request. The platform lets people do so at its page; with a token it says no, and where the page is."""
    _decide(out, request_id, "reject", reason, yes=yes)


def _decide(out: Output, request_id: str, decision: str, reason: str, *, yes: bool) -> None:
    with signed_in() as client:
        found = client.approvals.get(request_id)
        if not yes:
            if not is_interactive():
                raise click.UsageError("Nobody is here to be asked: say --yes.")
            _show(out, client, found)
            if not click.confirm(f"{decision.capitalize()} this?", err=True):
                out.say(GAVE_UP)
                return
        try:
            decided = client.approvals.decide(found.id, decision, digest=found.digest, reason=reason)
        except Forbidden as error:
            if error.code != TOKENS_CANNOT:
                raise
            raise Forbidden(
                f"The platform takes no votes from tokens. Sign in and decide at {_page(client, found)}",
                code=error.code,
                status=error.status,
                details=error.details,
            ) from error
        out.one(decided, f"{decided.id} is {decided.state}.")


def _show(out: Output, client: Client, found: ApprovalDetail) -> None:
    told: dict[str, Any] = {"kind": found.kind, "state": found.state, "asked by": found.asked_by, "reason": found.reason}
    for name, value in told.items():
        out.text(f"{name:<9} {value}")
    out.text(f"{'digest':<9} {found.digest}")
    out.text(f"{'page':<9} {_page(client, found)}")
    out.give(found.subject)


def _page(client: Client, found: ApprovalDetail) -> str:
    return place_of(client, f"approvals/{found.id}/")
