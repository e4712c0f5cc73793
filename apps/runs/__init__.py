"""Durable runs: what a run is, how it is claimed and executed in a box, its log, spans, artifacts and result.

The only app beside packages that drives the sandbox. No code of a tool is ever imported here.
"""
