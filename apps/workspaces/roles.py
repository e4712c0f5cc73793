"""Who may do what: one table."""

from enum import StrEnum


class Permission(StrEnum):
    VIEW = "view"  # see everything in the workspace but secret values
    RUN = "run"  # run functions, cancel runs, store files
    PROPOSE = "propose"  # write drafts; ask for packages, hosts and secrets, and for drafts to be kept
    DEVELOP = "develop"  # write functions and documents of the store, start tasks
    VOTE = "vote"  # decide approval requests
    ADMINISTER = "administer"  # secrets, models, members, policies
    OWN = "own"  # give and take the owner's role


class Role(StrEnum):
    VIEWER = "viewer"
    OPERATOR = "operator"
    DEVELOPER = "developer"
    APPROVER = "approver"
    ADMIN = "admin"
    OWNER = "owner"


PERMISSIONS: dict[Role, frozenset[Permission]] = {
    Role.VIEWER: frozenset({Permission.VIEW}),
    Role.OPERATOR: frozenset({Permission.VIEW, Permission.RUN}),
    Role.DEVELOPER: frozenset({Permission.VIEW, Permission.RUN, Permission.PROPOSE, Permission.DEVELOP}),
    Role.APPROVER: frozenset({Permission.VIEW, Permission.RUN, Permission.VOTE}),
    Role.ADMIN: frozenset(Permission) - {Permission.OWN},
    Role.OWNER: frozenset(Permission),
}

TOKEN_SCOPES: dict[Permission, frozenset[Permission]] = {
    Permission.VIEW: frozenset({Permission.VIEW}),
    Permission.RUN: frozenset({Permission.VIEW, Permission.RUN}),
    Permission.PROPOSE: frozenset({Permission.VIEW, Permission.PROPOSE}),
    Permission.DEVELOP: frozenset({Permission.VIEW, Permission.PROPOSE, Permission.DEVELOP}),
    Permission.ADMINISTER: frozenset({Permission.VIEW, Permission.ADMINISTER}),
}
"""What a token may be made for, and what each scope lets it do, as far as its member may. None lets it vote or own."""
