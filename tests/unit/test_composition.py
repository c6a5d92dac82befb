"""Every container of the composition is hardened and limited, not just most of them."""

from typing import Any

import pytest
import yaml

from loan_api.settings import PROJECT_ROOT

SERVICES: dict[str, Any] = yaml.safe_load((PROJECT_ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]


@pytest.mark.parametrize("service", SERVICES)
def test_a_container_is_hardened_and_everything_it_takes_is_limited(service: str) -> None:
    declared = SERVICES[service]
    assert declared["read_only"]
    assert declared["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in declared["security_opt"]
    assert declared["pids_limit"]
    assert declared["mem_limit"]
    assert {"max-size", "max-file"} <= set(declared["logging"]["options"])


@pytest.mark.parametrize("service", SERVICES)
def test_a_port_is_open_to_this_host_alone(service: str) -> None:
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[service].get("ports", []))
