"""docker-compose.yml and the Dockerfile, read against the code: what a newcomer starts is safe, and lets them in."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from app.cli import _parser
from app.core.settings import Settings, load_settings
from app.web.guard import check_exposure
from app.web.main import create_app
from backend.api.startup import check_start
from backend.store import Store
from tests.app.web.visitors import let_in, root_of, settings
from tests.backend.databases import database_url

__all__ = ["database_url"]

ROOT = Path(__file__).resolve().parents[3]
SERVICES: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
OURS = [name for name, service in SERVICES.items() if "build" in service]
DOCKERFILE = (ROOT / "Dockerfile").read_text()


def filled(text: str) -> str:
    """With what stands for a variable that a newcomer has not set."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Arguments and settings of a service, as its command line and environment make them."""

    def of(name: str) -> tuple[Any, Settings]:
        service = SERVICES[name]
        for variable, value in service["environment"].items():
            monkeypatch.setenv(variable, filled(value))
        program, *words = shlex.split(service["command"])
        assert program == "evident"
        args = _parser().parse_args(words)
        chosen = {key: value for key in ("host", "port") if (value := getattr(args, key, None)) is not None}
        return args, load_settings(_env_file=None, **chosen)

    return of


@pytest.mark.parametrize("name", OURS)
def test_each_service_starts_with_its_command_and_its_settings(name: str, started: Any) -> None:
    args, settings = started(name)
    assert {key for key in SERVICES[name]["environment"] if key.startswith("EVIDENT_")} <= {
        f"EVIDENT_{field.upper()}" for field in Settings.model_fields
    }
    if hasattr(args, "part"):
        check_exposure(settings)
        assert settings.sign_in_by == "password"
    for other in SERVICES[name].get("depends_on", {}):
        assert other in SERVICES


def test_nothing_is_reached_from_another_machine(started: Any) -> None:
    published = [port for service in SERVICES.values() for port in service.get("ports", ())]
    assert published
    for port in published:
        outside, inside = port.rsplit(":", 1)
        assert outside.startswith("127.0.0.1:")
        assert int(inside) == started("frontend")[1].port
    _, ui = started("frontend")
    assert "127.0.0.1" in ui.allowed_hosts
    _, backend = started("backend")
    assert urlsplit(str(ui.api_url)).netloc == f"backend:{backend.port}"
    assert "backend" in backend.allowed_hosts


def test_the_health_of_the_backend_is_asked_where_it_answers(started: Any) -> None:
    program, flag, code = SERVICES["backend"]["healthcheck"]["test"][1:]
    compile(code, "healthcheck", "exec")
    address = urlsplit(re.search(r"http://[^']+", code)[0])  # type: ignore[index]
    _, backend = started("backend")
    assert (program, flag) == ("python", "-c")
    assert (address.hostname in backend.allowed_hosts, address.port) == (True, backend.port)
    root = root_of(create_app(Settings(_env_file=None, data=backend.data, workers=1), "api"))
    assert address.path in {getattr(route, "path", "") for route in root.routes} | _included(root)


def _included(root: Any) -> set[str]:
    from tests.backend.api.walk import _walk

    return {path for path, _ in _walk(root.routes)}


@pytest.fixture
def first(started: Any, database_url: str, tmp_path: Path) -> Settings:
    _, chosen = started("backend")
    return settings(
        tmp_path / "data", database_url, first_admin=chosen.first_admin, engine="local", trusted_proxies=()
    )


def test_the_first_start_lets_one_admin_in(
    first: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    check_start(first)
    said = capsys.readouterr().err
    password = re.search(r"Sign in as admin with the one-time password (\S+) ", said)
    assert password is not None, said
    session = let_in(create_app(first, "api"), "admin", password[1]).json()
    assert session == {"sign_in": "password", "name": "admin", "role": "admin", "change_password": True}
    check_start(first)
    assert capsys.readouterr().err == ""
    store = Store(first.database_url, first.data)
    with store.engine.connect() as connection:
        from backend.store.tables import audit

        lines = connection.execute(audit.select()).all()
    store.close()
    assert ("first start", "user.add", "admin") in [(line.who, line.action, line.object) for line in lines]
    assert password[1] not in str(lines)


def test_the_image_holds_what_it_runs() -> None:
    copied = [
        path for line in re.findall(r"^COPY (.+)$", DOCKERFILE, re.M) for path in shlex.split(line)[:-1]
    ]
    assert {"app", "backend", "frontend", "models"} <= set(copied)
    assert all((ROOT / path).exists() for path in copied)
    program, *words = yaml.safe_load(re.search(r"^CMD (.+)$", DOCKERFILE, re.M)[1])  # type: ignore[index]
    assert program == "evident"
    _parser().parse_args(words)
