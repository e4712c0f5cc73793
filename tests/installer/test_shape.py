"""How many processes stand, under which settings, and what is refused before anything is started."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from installer.environment import process_environment
from installer.errors import SetupError
from installer.home import make_home
from installer.programs import programs
from installer.setup import Setup
from installer.shape import EMBEDDED, production_shape
from installer.system import engines_of

from .conftest import complaint

HOSTS = {"SELFSMITH_HOSTS": "selfsmith.example.com"}


def test_two_of_each_stand_when_nothing_else_is_said(make_setup: Callable[..., Setup]) -> None:
    setup = replace(make_setup(), shape=production_shape(HOSTS))
    make_home(setup.home)
    names = [program.name for program in programs(setup)]
    assert names == ["postgres", "redis", "docker", "web-1", "web-2", "worker-1", "worker-2", "scheduler"]
    assert setup.ports == {"web-1": 8000, "web-2": 8001}


def test_each_web_listens_on_a_port_of_its_own_and_each_worker_has_a_name(make_setup: Callable[..., Setup]) -> None:
    setup = replace(make_setup(), shape=production_shape({**HOSTS, "SELFSMITH_WEBS": "3", "SELFSMITH_WORKERS": "1"}))
    make_home(setup.home)
    commands = {program.name: " ".join(program.command) for program in programs(setup)}
    assert "--port 8002" in commands["web-3"]
    assert "--hostname=worker-1@%h" in commands["worker-1"]


def test_production_processes_get_what_the_operator_says_and_no_secret_by_value(make_setup: Callable[..., Setup]) -> None:
    outside = {**HOSTS, "SELFSMITH_HTTPS": "no", "SELFSMITH_METRICS_TOKEN": "word", "SELFSMITH_METRICS_TOKEN_FILE": "/etc/token"}
    setup = replace(make_setup(), shape=production_shape(outside))
    make_home(setup.home)
    variables = process_environment(setup, outside)
    assert variables["DJANGO_SETTINGS_MODULE"] == "config.settings.production"
    assert (variables["SELFSMITH_HOSTS"], variables["SELFSMITH_HTTPS"]) == ("selfsmith.example.com", "no")
    assert variables["SELFSMITH_METRICS_TOKEN_FILE"] == "/etc/token"
    assert "SELFSMITH_METRICS_TOKEN" not in variables


def test_what_make_run_starts_stays_as_it_was(make_setup: Callable[..., Setup]) -> None:
    setup = make_setup()
    make_home(setup.home)
    assert EMBEDDED.names == ("web", "worker", "scheduler")
    assert process_environment(setup, HOSTS)["DJANGO_SETTINGS_MODULE"] == "config.settings.embedded"
    assert "SELFSMITH_HOSTS" not in process_environment(setup, HOSTS)


def test_without_names_nothing_is_started_and_both_ways_out_are_told() -> None:
    with pytest.raises(SetupError) as refused:
        production_shape({})
    assert "SELFSMITH_HOSTS=selfsmith.example.com make prod" in complaint(refused)
    assert "SELFSMITH_HTTPS=no" in complaint(refused)


@pytest.mark.parametrize("number", ["-1", "two", "33", "1.5", "²", ""])
def test_a_senseless_number_of_processes_is_refused(number: str) -> None:
    with pytest.raises(SetupError, match="no number of processes"):
        production_shape({**HOSTS, "SELFSMITH_WORKERS": number})


def test_engines_that_somebody_else_runs_are_neither_started_nor_named_anew(make_setup: Callable[..., Setup]) -> None:
    outside = {**HOSTS, "SELFSMITH_DATABASE_HOST": "db.example.com", "SELFSMITH_REDIS_URL_FILE": "/etc/redis-url"}
    setup = replace(make_setup(), shape=production_shape(outside))
    make_home(setup.home)
    variables = process_environment(setup, outside)
    assert not {"postgres", "redis"} & {program.name for program in programs(setup)}
    assert variables["SELFSMITH_DATABASE_HOST"] == "db.example.com"
    assert "SELFSMITH_REDIS_URL" not in variables, "it would win over the file"
    assert [package.name for package in engines_of(setup)] == ["postgresql-client"]


def test_one_engine_may_be_somebody_elses_alone(make_setup: Callable[..., Setup]) -> None:
    setup = replace(make_setup(), shape=production_shape({**HOSTS, "SELFSMITH_REDIS_URL": "redis://queue.example.com/1"}))
    make_home(setup.home)
    assert [program.name for program in programs(setup)][:2] == ["postgres", "docker"]
    assert process_environment(setup, {})["SELFSMITH_DATABASE_HOST"] == str(setup.home.postgres_socket_folder)


def test_half_a_database_is_refused() -> None:
    with pytest.raises(SetupError, match="SELFSMITH_DATABASE_PORT belongs to a database of your own"):
        production_shape({**HOSTS, "SELFSMITH_DATABASE_PORT": "6432"})


def test_a_host_may_have_workers_or_webs_alone_but_not_nothing() -> None:
    assert production_shape({**HOSTS, "SELFSMITH_WEBS": "0"}).names == ("worker-1", "worker-2", "scheduler")
    with pytest.raises(SetupError, match="Neither webs nor workers"):
        production_shape({**HOSTS, "SELFSMITH_WEBS": "0", "SELFSMITH_WORKERS": "0"})
