"""Reads the source of a function inside a short-lived child process, from its syntax tree.

Standard library only, and no import from outside this package: the child starts without site-packages. Nothing
here may import, compile to run, or evaluate what it reads beyond literals.
"""
