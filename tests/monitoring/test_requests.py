"""A request is found in the logs by its id; its line tells the route and no address."""

import logging

import pytest
from django.test import Client


@pytest.fixture
def said(caplog):
    caplog.set_level(logging.INFO, logger="selfsmith.request")
    return lambda: [record for record in caplog.records if record.name == "selfsmith.request"]


def test_the_line_of_a_request_holds_route_status_and_time(client: Client, cast, said) -> None:
    client.force_login(cast.owner.user)
    client.get("/w/acme/runs/?q=what+somebody+typed")
    (line,) = said()
    assert (line.method, line.status) == ("GET", 200)
    assert "acme" not in line.route
    assert "typed" not in str(vars(line))


def test_the_proxys_id_is_kept_and_a_senseless_one_is_not(client: Client, db) -> None:
    assert client.get("/accounts/login/", headers={"X-Request-ID": "abc-12345678"})["X-Request-ID"] == "abc-12345678"
    for given in ("", "short", "x" * 65, 'quote"and\tmore-of-it'):
        made = client.get("/accounts/login/", headers={"X-Request-ID": given})["X-Request-ID"]
        assert len(made) == 32
        assert made != given
