"""Who may do what: one table."""

from enum import StrEnum


class Permission(StrEnum):
    VIEW = "view"  # see everything in the workspace but secret values
    RUN = "run"  # run functions, cancel runs, store files
    DEVELOP = "develop"  # write functions and documents of the store, start tasks, ask for packages
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
    Role.DEVELOPER: frozenset({Permission.VIEW, Permission.RUN, Permission.DEVELOP}),
    Role.APPROVER: frozenset({Permission.VIEW, Permission.RUN, Permission.VOTE}),
    Role.ADMIN: frozenset({Permission.VIEW, Permission.RUN, Permission.DEVELOP, Permission.VOTE, Permission.ADMINISTER}),
    Role.OWNER: frozenset(Permission),
}
