"""What the pool of connections to PostgreSQL asks of a connection before it gives it out."""

import select
from typing import Any

import psycopg
from psycopg_pool import ConnectionPool


def check(connection: psycopg.Connection[Any]) -> None:
    """Refuse a connection that the server has ended while it waited in the pool.

    A server that ends one says so or hangs up, and either is there to be read. Only then is it asked: to ask each time would
    be one more way there and back for every transaction.

    Raises: psycopg.OperationalError
    """
    waiting = select.poll()
    waiting.register(connection.fileno(), select.POLLIN)
    if waiting.poll(0):
        ConnectionPool.check_connection(connection)
