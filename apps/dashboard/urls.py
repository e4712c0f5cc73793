"""The addresses of all pages: those of a workspace under /w/<slug>/, and the way in."""

from django.urls import include, path

from apps.dashboard import (
    approvals,
    artifacts,
    audit,
    events,
    functions,
    graph,
    health,
    home,
    language_models,
    limits,
    members,
    packages,
    packs,
    rules,
    run_graph,
    runs,
    schedules,
    secrets,
    store,
    tasks,
    tokens,
    versions,
    webhooks,
    workspaces,
)

NOUNS = (
    home,
    tasks,
    functions,
    packs,
    versions,
    graph,
    runs,
    run_graph,
    events,
    rules,
    schedules,
    webhooks,
    artifacts,
    store,
    approvals,
    packages,
    secrets,
    language_models,
    members,
    limits,
    tokens,
    audit,
    health,
)
of_workspace = [address for noun in NOUNS for address in noun.urlpatterns]

urlpatterns = [*workspaces.urlpatterns, path("w/<slug:slug>/", include(of_workspace))]
