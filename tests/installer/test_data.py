"""The database cluster, the image and the shared variables: what they are made from."""

from collections.abc import Callable
from pathlib import Path

import pytest

from installer import environment, image, postgres
from installer.application import describe_sign_ins, read_sign_ins
from installer.errors import SetupError
from installer.home import make_home
from installer.setup import Setup


def install_postgres(folder: Path, *versions: str) -> Path:
    for version in versions:
        (folder / version / "bin").mkdir(parents=True)
        (folder / version / "bin" / "initdb").touch()
    return folder


def test_the_newest_postgresql_makes_a_new_cluster(make_setup: Callable[..., Setup], tmp_path: Path) -> None:
    installed = install_postgres(tmp_path / "installed", "9.6", "15", "17")
    assert postgres.binaries(make_setup().home, installed) == installed / "17" / "bin"


def test_a_cluster_stays_with_the_version_that_made_it(make_setup: Callable[..., Setup], tmp_path: Path) -> None:
    home = make_setup().home
    home.postgres_data.mkdir()
    (home.postgres_data / "PG_VERSION").write_text("15\n")
    assert postgres.binaries(home, install_postgres(tmp_path / "both", "15", "17")).parent.name == "15"
    with pytest.raises(SetupError, match="of PostgreSQL 15, which is not installed") as error:
        postgres.binaries(home, install_postgres(tmp_path / "newer", "17"))
    assert "postgresql-15" in error.value.advice


def test_another_recipe_is_another_image(monkeypatch: pytest.MonkeyPatch) -> None:
    before = image.tag()
    assert image.tag() == before
    monkeypatch.setattr(image, "PACKAGES", ("python3", "python3-numpy"))
    assert image.tag() != before


def test_the_variables_name_the_keys_but_do_not_hold_them(make_setup: Callable[..., Setup]) -> None:
    setup = make_setup()
    make_home(setup.home)
    variables = environment.process_environment(setup, {"SANDBOX_RUNTIME": "runc"})
    for name in ("django_secret_key", "vault_root_key"):
        key = (setup.home.keys / name).read_text().strip()
        assert not any(key in value for value in variables.values())
    assert variables["SANDBOX_RUNTIME"] == "runc"
    assert variables["SELFSMITH_REDIS_URL"] == f"unix://{setup.home.redis_socket}"


def test_certificates_that_a_person_chose_stay_chosen() -> None:
    assert environment.trust({"PIP_CERT": "/my/own.pem"})["PIP_CERT"] == "/my/own.pem"


def test_sign_ins_are_read_from_among_other_lines() -> None:
    output = 'a warning\n{"username": "owner", "password": "one"}\n{"username": "approver", "password": "two"}\n'
    assert describe_sign_ins(read_sign_ins(output)) == "    owner      one\n    approver   two"
