"""Where the settings' values come from: a ``.env`` file, and above it the environment."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from dotenv import dotenv_values


@dataclass(frozen=True)
class Environment:
    """Both of them; remembers what was asked of it, so that each value's origin can be told."""

    file: Mapping[str, str]
    process: Mapping[str, str]
    defaults: dict[str, str | None] = field(default_factory=dict)
    """Of each name that was asked for."""

    @classmethod
    def beside(cls, file: Path) -> Self:
        """This process's own, and ``file`` if it is there; a name without ``=`` is not set."""
        lines = dotenv_values(file).items()
        return cls({name: value for name, value in lines if value is not None}, dict(os.environ))

    def get(self, name: str, default: str | None = None) -> str | None:
        self.defaults[name] = default
        return self.process.get(name, self.file.get(name, default))

    def origin(self, name: str) -> str:
        """``environment``, ``.env`` or ``default``."""
        if name in self.process:
            return "environment"
        return ".env" if name in self.file else "default"


def proxies() -> list[str]:
    """Addresses of all that this process may be told to ask through, however it is spelled."""
    return [value for name, value in os.environ.items() if name.lower().endswith("_proxy")]


def is_open_to_others(path: Path) -> bool:
    """Whether other users of this machine may read the file ``path``."""
    return path.is_file() and bool(path.stat().st_mode & 0o044)


DOTENV = Path(__file__).parent.parent / ".env"
project = Environment.beside(DOTENV)
