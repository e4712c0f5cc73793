"""Packs: named, versioned bundles of functions and rules that are installed, upgraded, removed and exported as one."""
