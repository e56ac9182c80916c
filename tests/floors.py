"""``make floors``: tests with the lowest versions that requirements.txt and the extras claim.

Makes a virtual environment of its own, installs ``==`` where those say ``>=``, and runs the tests
without processes (``make floors ARGS=tests`` for others). Everything else is of constraints.txt.
"""

import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from packaging.requirements import Requirement

from tests.support.project import ROOT

TESTS = ("tests/unit", "tests/servers")


def floors() -> dict[str, str]:
    """Return the lowest version of each dependency, by its name in lower case."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    asked = [line for line in lines if line and not line.startswith("#")]
    asked += [each for extra in project["optional-dependencies"].values() for each in extra]
    lowest = {}
    for each in map(Requirement, asked):
        [floor] = [part.version for part in each.specifier if part.operator == ">="]
        lowest[each.name.lower()] = floor
    return lowest


def constraints() -> str:
    """Return constraints.txt with the lowest versions in it."""
    lowest = floors()
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    others = [line for line in lines if line.partition("==")[0].lower() not in lowest]
    return "\n".join([*others, *(f"{name}=={version}" for name, version in lowest.items()), ""])


def main(tests: list[str]) -> int:
    with tempfile.TemporaryDirectory() as folder:
        python = Path(folder) / "venv" / "bin" / "python"
        (Path(folder) / "constraints.txt").write_text(constraints())
        subprocess.run([sys.executable, "-m", "venv", python.parents[1]], check=True)
        pip = [python, "-m", "pip", "install", "-q", "-c", f"{folder}/constraints.txt"]
        subprocess.run([*pip, "pip>=25.1"], check=True)
        subprocess.run(
            [*pip, *("-r", "requirements.txt"), *("--group", "dev"), *extras()],
            cwd=ROOT,
            check=True,
        )
        run = [python, "-m", "pytest", "-p", "no:cacheprovider", "-n", "auto", *tests]
        return subprocess.run(run, cwd=ROOT).returncode


def extras() -> list[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return [each for extra in project["optional-dependencies"].values() for each in extra]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or list(TESTS)))
