"""What is told to those who ask without signing in: whether the process lives and can serve, and nothing else."""

import redis
from django.db import OperationalError
from django.test import Client

from apps.monitoring import readiness


def test_a_process_that_lives_says_so_under_any_host_name_and_without_a_redirect(client: Client, settings) -> None:
    settings.SECURE_SSL_REDIRECT = True
    answer = client.get("/healthz", headers={"Host": "10.1.2.3:8000"})
    assert (answer.status_code, answer.content) == (200, b"ok\n")


def test_a_process_is_ready_when_database_redis_and_tables_are(client: Client, db) -> None:
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert answer.content.decode() == "database: ok\nredis: ok\nmigrations: ok\n"
    assert answer["Cache-Control"] == "no-store"


def test_without_redis_it_is_not_ready_and_tells_no_address(client: Client, db, settings, caplog) -> None:
    settings.REDIS_URL = "redis://:hidden-word@127.0.0.1:1/0"
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.content.decode() == "database: ok\nredis: unreachable\nmigrations: ok\n"
    assert "ready.no_redis" in caplog.text
    assert "hidden-word" not in caplog.text


def test_without_the_database_it_is_not_ready(client: Client, db, monkeypatch) -> None:
    class Away:
        def cursor(self) -> None:
            raise OperationalError("connection refused")

        def close(self) -> None:
            pass

    monkeypatch.setattr(readiness, "connection", Away())
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.content.decode() == "database: unreachable\nredis: ok\nmigrations: unknown\n"


def test_tables_that_lag_behind_the_code_are_seen_and_seen_again_when_they_have_caught_up(
    client: Client, db, monkeypatch
) -> None:
    readiness._are_applied.cache_clear()
    with monkeypatch.context() as patch:
        patch.setattr(readiness.MigrationExecutor, "migration_plan", lambda self, targets: [("runs", "9999")])
        assert "migrations: not applied" in client.get("/readyz").content.decode()
    assert client.get("/readyz").status_code == 200


def test_probes_are_only_read(client: Client) -> None:
    for path in ("/healthz", "/readyz", "/metrics"):
        assert client.post(path).status_code == 405


def test_redis_that_answers_by_an_error_counts_as_away(monkeypatch) -> None:
    def refuse(self: redis.Redis) -> None:
        raise redis.BusyLoadingError("loading")

    monkeypatch.setattr(redis.Redis, "ping", refuse)
    assert readiness._redis() == "unreachable"
