"""What the project says about itself is true: dependencies are used, names exist, documented examples run."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import get_args

import pytest

from app.core.schemas import JobKind
from backend.jobs.evaluation import EVALUATION
from backend.tasks import TASKS

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("app", "backend", "frontend", "models")
NOT_IMPORTED = {
    "psycopg": "SQLAlchemy imports the driver that the address of the database names",
}
"""Declared dependencies that no file of ours imports, and why they are declared all the same."""
TO_BE_MADE = {"backend/attribution/methods/my_method.py"}
"""What CONTRIBUTING tells the reader to make."""
PROSE = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]
SOURCES = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]


def imported(path: Path) -> Iterator[str]:
    """Top-level names of every import in a file, those inside functions too."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield (node.module or "").split(".")[0]


@cache
def distributions() -> Mapping[str, list[str]]:
    return packages_distributions()


def normal(name: str) -> str:
    return re.split(r"[^\w.-]", re.sub(r"[-_.]+", "-", name))[0].lower()


def test_every_declared_dependency_is_imported_at_run_time():
    """By something that runs for a user: the benchmark, which compares with other packages, does not
    count."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    declared = {normal(text) for text in [*project["dependencies"], *extras["postgres"], *extras["cluster"]]}
    homes = distributions()
    run = [path for path in SOURCES if ROOT / "backend" / "bench" not in path.parents]
    used = {normal(home) for path in run for name in imported(path) for home in homes.get(name, [])}
    assert declared - used == set(NOT_IMPORTED)


def test_every_import_is_declared():
    """Nothing works by the luck of somebody else's dependency."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = {
        normal(text)
        for group in [project["dependencies"], *project["optional-dependencies"].values()]
        for text in group
    }
    homes = distributions()
    used = {
        normal(home): path
        for path in SOURCES
        for name in imported(path)
        if name not in PACKAGES
        for home in homes.get(name, [])[:1]
    }
    missing = {
        name: str(path.relative_to(ROOT))
        for name, path in used.items()
        if name not in declared | {normal(project["name"])}
    }
    assert missing == {}


def test_the_kinds_of_jobs_are_those_there_are():
    assert set(get_args(JobKind)) == set(TASKS) | {EVALUATION}  # which no worker runs


@pytest.mark.parametrize("path", [*PROSE, *SOURCES], ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_packages_that_are_mentioned_exist(path):
    """`backend/tasks/explanation.py`, `docs/`, `models/weights/*.json`: whatever is written like a path of
    ours is one."""
    mentioned = re.findall(
        r"(?<![\w/.:@-])((?:app|backend|frontend|models|tests|docs)/[\w./*-]*\w)", path.read_text()
    )
    mentioned = [re.sub(r"\b[A-Z]{2,}\b", "*", name) for name in mentioned]  # `KEY` stands for any
    gone = [
        name
        for name in mentioned
        if name not in TO_BE_MADE and not any(ROOT.glob(name)) and not any(ROOT.glob(f"{name}.*"))
    ]
    assert gone == []
