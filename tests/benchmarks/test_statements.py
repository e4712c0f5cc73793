"""The counter between a process and PostgreSQL sees every statement and changes none."""

import os
from pathlib import Path

import psycopg

from benchmarks.statements import StatementCounter, counting

SERVER = Path(os.environ.get("SELFSMITH_DATABASE_HOST", ""))


def ask(folder: Path, times: int) -> list[int]:
    """So many questions on a connection of its own."""
    with psycopg.connect(host=str(folder), dbname="postgres", user="selfsmith_owner", autocommit=True) as database:
        return [database.execute("SELECT %s::int", [number]).fetchall()[0][0] for number in range(times)]


def test_every_statement_of_every_connection_is_counted_once(tmp_path: Path) -> None:
    with counting(tmp_path, SERVER) as counter:
        assert ask(tmp_path, 7) == list(range(7))
        assert ask(tmp_path, 3) == list(range(3))
        assert counter.number == 10


def test_statements_without_parameters_are_counted_too(tmp_path: Path) -> None:
    with (
        counting(tmp_path, SERVER) as counter,
        psycopg.connect(host=str(tmp_path), dbname="postgres", user="selfsmith_owner") as database,
    ):
        database.execute("SELECT 1")
        database.rollback()
        assert counter.number == 3, "BEGIN, SELECT, ROLLBACK"


def test_nothing_is_counted_and_nobody_let_in_once_it_is_closed(tmp_path: Path) -> None:
    counter = StatementCounter(tmp_path, SERVER)
    counter.close()
    try:
        ask(tmp_path, 1)
    except psycopg.OperationalError:
        assert counter.number == 0
    else:
        raise AssertionError("the counter still passed a connection on")
