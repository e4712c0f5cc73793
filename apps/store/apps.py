"""Registers what boxes may ask of the store, and the end of runs, which decides on what they wrote."""

from django.apps import AppConfig


class StoreConfig(AppConfig):
    name = "apps.store"

    def ready(self) -> None:
        from apps.core.events import on
        from apps.runs.requests import register_verb, register_waiting_verb
        from apps.store import commit, requests

        register_verb("store.get", requests.get_document)
        register_waiting_verb("store.query", requests.query_documents)
        register_verb("store.put", requests.put_document)
        register_verb("store.delete", requests.delete_document)
        on("run.finished", commit.settle)
