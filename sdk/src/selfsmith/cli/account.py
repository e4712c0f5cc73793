"""login, logout, whoami, completion."""

import sys
from urllib.parse import urlsplit

import click
from click.shell_completion import get_completion_class

from selfsmith.cli.frame import common, signed_in
from selfsmith.cli.output import Output, is_interactive
from selfsmith.client import Client
from selfsmith.configuration import Account, clean_url, forget, keep

HERE = frozenset({"localhost", "127.0.0.1", "::1"})


@click.command()
@click.argument("address")
@click.option("--token-stdin", is_flag=True, help="Read the token from the standard input, for programs.")
@common
def login(out: Output, address: str, *, token_stdin: bool) -> None:
    """Keep an address and a token for it, readable for you alone.

    Make the token on the page Tokens of your workspace. It is asked for without being shown.
    """
    url = clean_url(address)
    if url.startswith("http://") and urlsplit(url).hostname not in HERE:
        out.say(f"Take care: {url} is not encrypted, and whoever is on the way can read the token. Use https:// if you can.")
    if token_stdin:
        token = sys.stdin.readline().strip()
    elif is_interactive():
        out.say(f"Make a token at {url}/, on the page Tokens of your workspace, and paste it here.")
        token = click.prompt("Token", hide_input=True, err=True).strip()
    else:
        raise click.UsageError("Nobody is here to be asked: give the token by --token-stdin.")
    with Client(url, token) as client:
        me = client.me()
    path = keep(Account(url, token))
    out.say(f"Signed in to {me.workspace} at {url} as {me.username} ({me.role}). Kept in {path}.")
    if out.as_json:
        out.document(me)


@click.command()
@common
def logout(out: Output) -> None:
    """Forget what `login` kept. The token stays good until you revoke it on the page Tokens."""
    existed = forget()
    out.say("Forgotten. Revoke the token on the page Tokens, if nothing else uses it." if existed else "Nothing was kept.")
    if out.as_json:
        out.document({"forgotten": existed})


@click.command()
@common
def whoami(out: Output) -> None:
    """Whose token it is, and where it counts."""
    with signed_in() as client:
        me = client.me()
        out.one(me, f"{me.username} ({me.role}) in {me.workspace} at {client.url}")


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """A script for your shell that completes commands: eval "$(selfsmith completion bash)"."""
    kind = get_completion_class(shell)
    assert kind is not None, shell
    click.echo(kind(ctx.find_root().command, {}, "selfsmith", "_SELFSMITH_COMPLETE").source())
