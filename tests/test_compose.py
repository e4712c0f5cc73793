"""docker-compose.yml says what the documentation says of rights. `make compose-trial` plays it."""

from pathlib import Path
from typing import Any

import yaml

COMPOSE: dict[str, Any] = yaml.safe_load((Path(__file__).parents[1] / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]


def test_only_the_worker_has_the_engine_the_control_groups_and_the_hosts_processes() -> None:
    for name, service in SERVICES.items():
        mounted = " ".join(map(str, service.get("volumes", ())))
        is_worker = name == "worker"
        assert ("docker.sock" in mounted) == is_worker, name
        assert ("/sys/fs/cgroup" in mounted) == is_worker, name
        assert ("pid" in service) == is_worker, name
        assert not service.get("privileged"), name


def test_the_other_processes_of_the_platform_have_no_capability_and_cannot_change_their_image() -> None:
    for name in ("web", "scheduler", "migrate"):
        service = SERVICES[name]
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["read_only"] is True


def test_only_the_proxy_is_reached_from_outside_and_it_does_not_reach_the_database() -> None:
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["proxy"]
    assert "inside" not in SERVICES["proxy"]["networks"]
    assert COMPOSE["networks"]["inside"] == {"internal": True}
    assert SERVICES["postgres"]["networks"] == SERVICES["redis"]["networks"] == ["inside"]


def test_secrets_come_as_files_and_only_the_migration_owns_the_tables() -> None:
    for name, service in SERVICES.items():
        environment = service.get("environment", {})
        assert not [key for key in environment if key.endswith(("_KEY", "_PASSWORD", "_TOKEN"))], name
        assert (environment.get("SELFSMITH_DATABASE_ROLE") == "owner") == (name == "migrate")


def test_workers_share_a_host_name_since_they_judge_each_others_boxes_by_it() -> None:
    assert SERVICES["worker"]["hostname"] == "selfsmith-worker"
