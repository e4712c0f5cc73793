"""Puts the nouns together."""

from apps.api import (
    approvals,
    bulk,
    events,
    examples,
    files,
    folders,
    functions,
    graph,
    limits,
    me,
    packages,
    packs,
    rules,
    runs,
    schedules,
    secrets,
    store,
    tasks,
    tokens,
    versions,
    webhooks,
)  # fmt: skip
from apps.api.authentication import authenticate
from apps.api.description import DescribedAPI
from apps.api.parsing import ObjectParser
from apps.api.problems import install_problems

api = DescribedAPI(title="Selfsmith", version="1", auth=authenticate, parser=ObjectParser(), urls_namespace="api")
install_problems(api)
api.add_router("/me", me.router, tags=["tokens"])
api.add_router("/tokens", tokens.router, tags=["tokens"])
api.add_router("/files", files.router, tags=["files"])
api.add_router("/functions", folders.function_router, tags=["functions"])
api.add_router("/functions", functions.router, tags=["functions"])
api.add_router("/folders", folders.router, tags=["functions"])
api.add_router("/groups", folders.group_router, tags=["members"])
api.add_router("/packs", packs.router, tags=["packs"])
api.add_router("/shipped-packs", packs.shipped, tags=["packs"])
api.add_router("/import", packs.imports, tags=["packs"])
api.add_router("/export", packs.exports, tags=["packs"])
api.add_router("/functions", versions.router, tags=["functions"])
api.add_router("/functions", examples.router, tags=["functions"])
api.add_router("/graph", graph.router, tags=["functions"])
api.add_router("/limits", limits.router, tags=["limits"])
api.add_router("/runs", runs.router, tags=["runs"])
api.add_router("/bulk", bulk.router, tags=["runs"])
api.add_router("/events", events.router, tags=["events"])
api.add_router("/rules", rules.router, tags=["rules"])
api.add_router("/schedules", schedules.router, tags=["schedules"])
api.add_router("/secrets", secrets.router, tags=["secrets"])
api.add_router("/webhooks", webhooks.router, tags=["webhooks"])
api.add_router("/store", store.router, tags=["store"])
api.add_router("/tasks", tasks.router, tags=["tasks"])
api.add_router("/packages", packages.router, tags=["packages"])
api.add_router("/approvals", approvals.router, tags=["approvals"])
