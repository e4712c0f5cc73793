"""Tenants: workspaces, who belongs to them, what a role may do, API tokens, and the entry points that set the scope."""
