"""The addresses of all pages: those of a workspace under /w/<slug>/, and the way in."""

from django.urls import include, path

from apps.dashboard import (
    approvals,
    artifacts,
    audit,
    events,
    examples,
    folders,
    functions,
    graph,
    groups,
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
    workspaces,
)

NOUNS = (
    home,
    tasks,
    functions,
    folders,
    packs,
    versions,
    examples,
    graph,
    runs,
    run_graph,
    events,
    rules,
    schedules,
    artifacts,
    store,
    approvals,
    packages,
    secrets,
    language_models,
    members,
    groups,
    limits,
    tokens,
    audit,
    health,
)
of_workspace = [address for noun in NOUNS for address in noun.urlpatterns]

urlpatterns = [*workspaces.urlpatterns, path("w/<slug:slug>/", include(of_workspace))]
