"""`python3 platform/installer COMMAND`: the door for a machine on which nothing is installed yet."""

import os.path
import sys

if sys.version_info < (3, 9):
    sys.exit(
        "Selfsmith's installer needs at least Python 3.9 to start. Call it by a newer one: python3.13 platform/installer run"
    )

if not __package__:
    # Called by path, Python puts this folder first; what is needed is its parent, so that `installer` is a package.
    sys.path[0] = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

from installer.commands import main

sys.exit(main(sys.argv[1:]))
