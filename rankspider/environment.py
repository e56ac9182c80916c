"""Read where the settings' values come from: a ``.env`` file, and above it the environment."""

import io
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from dotenv.parser import Binding, parse_stream
from dotenv.variables import Variable, parse_variables
from scrapy.utils.conf import closest_scrapy_cfg


@dataclass(frozen=True)
class Environment:
    """Both of them; remembers what was asked of it, so that each value's origin can be told."""

    file: Mapping[str, str]
    process: Mapping[str, str]
    defaults: dict[str, str | None] = field(default_factory=dict)
    """Of each name that was asked for."""
    problems: tuple[str, ...] = ()
    """What of the file cannot be read: its name, the line, and why; no value."""

    @classmethod
    def beside(cls, file: Path) -> Self:
        """Return this process's own environment, and ``file`` if it is there."""
        process = dict(os.environ)
        try:
            return cls._of(file.read_bytes(), file, process)
        except (FileNotFoundError, IsADirectoryError):
            return cls({}, process)
        except OSError as error:
            return cls({}, process, problems=(f"{file} cannot be read: {error.strerror}",))

    @classmethod
    def _of(cls, raw: bytes, file: Path, process: Mapping[str, str]) -> Self:
        values: dict[str, str] = {}
        problems = []
        for line, binding in _bindings(raw):
            problem = _read(binding, values, process)
            if problem is not None:
                problems.append(f"{file}: line {line} {problem}")
        return cls(values, process, problems=tuple(problems))

    def get(self, name: str, default: str | None = None) -> str | None:
        self.defaults[name] = default
        return self.process.get(name, self.file.get(name, default))

    def origin(self, name: str) -> str:
        """Return where the value comes from: ``environment``, ``.env`` or ``default``."""
        if name in self.process:
            return "environment"
        return ".env" if name in self.file else "default"


def proxies() -> list[str]:
    """Return the addresses of all that this process may be told to ask through, however it is
    spelled."""
    return [value for name, value in os.environ.items() if name.lower().endswith("_proxy")]


def is_open_to_others(path: Path) -> bool:
    """Return whether other users of this machine may read the file ``path``."""
    return path.is_file() and bool(path.stat().st_mode & 0o044)


def _bindings(raw: bytes) -> list[tuple[int, Binding | str]]:
    """Return each binding with its line, from 1; a text in its place says what is wrong."""
    if b"\0" in raw:
        return [(1, "is UTF-16: save the file as UTF-8")]
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        return [(line, "is not UTF-8 text: save the file as UTF-8")]
    # One begins with the blank lines before it.
    return [
        (each.original.line + _blank_lines(each.original.string), each)
        for each in parse_stream(io.StringIO(text))
    ]


def _blank_lines(text: str) -> int:
    return text.count("\n", 0, len(text) - len(text.lstrip()))


def _read(binding: Binding | str, values: dict[str, str], process: Mapping[str, str]) -> str | None:
    """Put what ``binding`` says into ``values``; return what is wrong with it, if anything."""
    if isinstance(binding, str):
        return binding
    if binding.key is None and not binding.error:
        return None  # a comment
    if binding.key is None or binding.value is None:
        return "cannot be read: write NAME=value, and close every quote"
    known = {**process, **values}
    atoms = list(parse_variables(binding.value))
    for atom in atoms:
        if isinstance(atom, Variable) and atom.default is None and atom.name not in known:
            return "refers with ${…} to a name that is not set above it"
    values[binding.key] = "".join(atom.resolve(known) for atom in atoms)
    return None


def _beside_scrapy_cfg() -> Path:
    """Return the folder of the scrapy.cfg above the present one, or of the project's own; without
    either, as for a package that was installed, the present one."""
    above, own = closest_scrapy_cfg(), Path(__file__).parents[1]
    if above:
        return Path(above).parent
    return own if (own / "scrapy.cfg").is_file() else Path.cwd()


DOTENV = _beside_scrapy_cfg() / ".env"
project = Environment.beside(DOTENV)
