"""`python -m selfsmith`."""

from selfsmith.cli import main

main(prog_name="selfsmith")
