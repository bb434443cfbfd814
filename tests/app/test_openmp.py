"""How threads wait for the next step."""

import os
import subprocess
import sys

import pytest

CODE = """
import os, sys
import app.cli
assert "torch" not in sys.modules
print(os.environ.get("OMP_WAIT_POLICY"), os.environ.get("GOMP_SPINCOUNT"))
"""


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, "PASSIVE 10000"),
        ({"OMP_WAIT_POLICY": "ACTIVE"}, "ACTIVE None"),
        ({"GOMP_SPINCOUNT": "7"}, "None 7"),
    ],
)
def test_the_command_waits_briefly_unless_told_otherwise(given, expected):
    plain = {k: v for k, v in os.environ.items() if k not in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")}
    answer = subprocess.run(
        [sys.executable, "-c", CODE], env=plain | given, capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == expected
