"""The addresses of all pages: those of a workspace under /w/<slug>/, and the way in."""

from django.urls import include, path

from apps.dashboard import (
    approvals,
    artifacts,
    audit,
    examples,
    functions,
    health,
    home,
    language_models,
    limits,
    members,
    packages,
    runs,
    secrets,
    tasks,
    tokens,
    versions,
    workspaces,
)

NOUNS = (
    home,
    tasks,
    functions,
    versions,
    examples,
    runs,
    artifacts,
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
