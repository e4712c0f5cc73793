"""What every command shares: `--json`, a client, and failures as sentences with exit codes."""

import json
from collections.abc import Callable
from typing import Any, Concatenate

import click

from selfsmith.cli.output import Output
from selfsmith.client import Client
from selfsmith.errors import (
    CannotBePushed,
    NotConfigured,
    NotSignedIn,
    Refused,
    RunEnded,
    SelfsmithError,
    UnexpectedAnswer,
    Unreachable,
    WaitTimedOut,
)

OK, RUN_FAILED, USAGE, REFUSED, UNREACHABLE, NOT_OVER, INTERRUPTED = 0, 1, 2, 3, 4, 5, 130
EXIT_CODES: tuple[tuple[type[SelfsmithError], int], ...] = (
    (WaitTimedOut, NOT_OVER),
    (RunEnded, RUN_FAILED),
    (CannotBePushed, USAGE),
    (NotConfigured, REFUSED),
    (Refused, REFUSED),
    (Unreachable, UNREACHABLE),
    (UnexpectedAnswer, UNREACHABLE),
)
GAVE_UP = "No: nothing was done."


class Frame(click.Group):
    """Turns failures into sentences and exit codes."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except SelfsmithError as error:
            tell(output_of(ctx), error)
            ctx.exit(next(code for kind, code in EXIT_CODES if isinstance(error, kind)))
        except (KeyboardInterrupt, click.Abort):
            output_of(ctx).say("Interrupted.")
            ctx.exit(INTERRUPTED)


def tell(out: Output, error: SelfsmithError) -> None:
    """The failure in the error stream: in words, or as one JSON document."""
    if out.as_json:
        told = {"error": error.code, "message": error.message, "details": getattr(error, "details", {})}
        out.clear_status()
        click.echo(json.dumps(told), err=True)
        return
    out.say(error.message)
    if isinstance(error, NotSignedIn):
        out.say("Say `selfsmith login ADDRESS` with a new token.")


def output_of(ctx: click.Context) -> Output:
    """The one output of this call of the program."""
    return ctx.find_root().ensure_object(Output)


def _set_json(ctx: click.Context, _parameter: click.Parameter, value: bool) -> None:  # noqa: FBT001  click calls it so
    out = output_of(ctx)
    out.as_json = out.as_json or value


def common[**P, Result](function: Callable[Concatenate[Output, P], Result]) -> Callable[P, Result]:
    """Gives a command `--json`, and its output as first argument."""
    with_json = click.option("--json", is_flag=True, expose_value=False, callback=_set_json, help="JSON instead of text.")
    return with_json(click.make_pass_decorator(Output)(function))


def signed_in() -> Client:
    """Raises: NotConfigured"""
    return Client()


def place_of(client: Client, page: str) -> str:
    """The address of a page of the token's workspace."""
    return f"{client.url}/w/{client.me().workspace}/{page}"
