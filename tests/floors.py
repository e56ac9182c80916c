"""``make floors``: tests with the lowest versions that requirements.txt and the extras claim.

Makes a virtual environment of its own, installs ``==`` where those say ``>=``, and runs the tests
without processes (``make floors ARGS=tests`` for others).
"""

import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from packaging.requirements import Requirement

from tests.support.project import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
TESTS = ("tests/unit", "tests/servers")


def floors() -> dict[str, str]:
    """Return the lowest version of each dependency, by its name in lower case."""
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    asked = [*(line for line in lines if line and not line.startswith("#")), *of_extras()]
    lowest = {}
    for each in map(Requirement, asked):
        [floor] = [part.version for part in each.specifier if part.operator == ">="]
        lowest[each.name.lower()] = floor
    return lowest


def of_extras() -> list[str]:
    extras = PROJECT["project"]["optional-dependencies"]
    return [each for extra in extras.values() for each in extra]


def constraints() -> str:
    """Return the lowest versions, and those of constraints.txt of the tools for tests."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = dict(line.split("==") for line in lines if "==" in line)
    tools = {name: pins[name] for name in PROJECT["dependency-groups"]["dev"]}
    return "".join(f"{name}=={version}\n" for name, version in (tools | floors()).items())


def main(tests: list[str]) -> int:
    with tempfile.TemporaryDirectory() as folder:
        python = Path(folder) / "venv" / "bin" / "python"
        chosen = Path(folder) / "constraints.txt"
        chosen.write_text(constraints())
        subprocess.run([sys.executable, "-m", "venv", python.parents[1]], check=True)
        pip = [python, "-m", "pip", "install", "-q"]
        subprocess.run([*pip, "pip>=25.1"], check=True)
        needed = ["-r", "requirements.txt", "--group", "dev", *of_extras()]
        subprocess.run([*pip, "-c", chosen, *needed], cwd=ROOT, check=True)
        run = [python, "-m", "pytest", "-p", "no:cacheprovider", "-n", "auto", *tests]
        return subprocess.run(run, cwd=ROOT).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or list(TESTS)))
