"""The program `selfsmith`."""

import click

from selfsmith.cli import account, deciding, library, running
from selfsmith.cli.frame import Frame, output_of

EPILOG = (
    "Exit codes: 0 done; 1 the run did not end well; 2 the command cannot be understood; 3 refused, or not signed in;"
    " 4 not reachable; 5 not over yet; 130 interrupted."
)


@click.group(cls=Frame, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="selfsmith-sdk")
@click.pass_context
def main(ctx: click.Context) -> None:
    """Work with a Selfsmith from the command line."""
    output_of(ctx)


for command in (
    account.login, account.logout, account.whoami, account.completion,
    library.push, library.pull, library.functions, library.packs, library.secrets,
    running.run, running.runs, running.logs, running.cancel,
    deciding.approvals,
):  # fmt: skip
    main.add_command(command)
