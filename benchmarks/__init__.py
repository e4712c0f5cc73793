"""Figures of what one machine does: `make bench`. Nothing here is a test."""
