"""What runs inside the box, as its first process. Standard library only: it must not import anything of the host.

The folder is mounted read-only and started as a package; the host imports only `frames` and `encoding` from it.
"""
