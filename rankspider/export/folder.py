"""The folder of an export: ``COLLECTION/day=YYYY-MM-DD/hour=H/part-0.FORMAT``, hours in UTC.

``hour=3``: what is written as ``03``, readers take for text.
"""

import contextlib
import datetime as dt
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from rankspider.embedded.locks import FileLock
from rankspider.errors import ExportError
from rankspider.export.manifest import Manifest, Part
from rankspider.export.tables import Table

# Readers of a folder of Parquet files pass over names that begin so.
_OWN = "_"
_MANIFEST, _LOCK, _UNFINISHED = "_manifest.jsonl", "_lock", "_unfinished"


class Folder:
    """Holds whole files only: one appears, or takes the place of another, by being renamed."""

    def __init__(self, root: Path, extension: str) -> None:
        self.root = root
        self._extension = extension
        self.manifest = Manifest(root / _MANIFEST)

    @contextlib.contextmanager
    def opened(self, options: Mapping[str, Any], tables: Iterable[Table]) -> Iterator[None]:
        """Hold the folder, made if need be, for this process alone.

        Raises `ExportError` if another export runs here, if it holds anything else, or if it
        was written with other ``options`` or columns.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        self._require_own()
        with FileLock.open(self.root / _LOCK) as lock:
            if not lock.try_exclusive():
                raise ExportError(f"another export is at work in {self.root}: wait for its end")
            (self.root / _UNFINISHED).unlink(missing_ok=True)  # of one that was killed
            for hour in self.root.glob("*/day=*/hour=0[0-9]"):  # of an earlier release
                hour.rename(hour.with_name(f"hour={hour.name[-1]}"))
            schemas = {table.collection: table.schema for table in tables}
            try:
                self.manifest.open(options, schemas)
                yield
            finally:
                self.manifest.close()

    def _require_own(self) -> None:
        if (self.root / _MANIFEST).exists():
            return
        if any(not path.name.startswith(_OWN) for path in self.root.iterdir()):
            raise ExportError(
                f"{self.root} is not empty and no export was begun there: choose another folder"
            )

    def path(self, collection: str, hour: dt.datetime) -> Path:
        day = f"day={hour:%Y-%m-%d}"
        return self.root / collection / day / f"hour={hour.hour}" / f"part-0.{self._extension}"

    def holds(self, part: Part) -> bool:
        """Return whether the file of ``part`` is there, as long as it was."""
        try:
            return self.path(part.collection, part.hour).stat().st_size == part.bytes
        except FileNotFoundError:
            return False

    @contextlib.contextmanager
    def new_file(self, collection: str, hour: dt.datetime) -> Iterator[BinaryIO]:
        """Yield a file to write; it takes its place, durable, if nothing went wrong until the
        end."""
        unfinished = self.root / _UNFINISHED
        try:
            with unfinished.open("wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            path = self.path(collection, hour)
            path.parent.mkdir(parents=True, exist_ok=True)
            unfinished.replace(path)
        except BaseException:
            unfinished.unlink(missing_ok=True)
            raise
        directory = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    def remove(self, part: Part) -> None:
        """Take away what the lake no longer holds."""
        path = self.path(part.collection, part.hour)
        path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # a day of other hours, or somebody else's file
            path.parent.rmdir()
            path.parent.parent.rmdir()
        self.manifest.record(Part(part.collection, part.hour, 0, 0, final=part.final))
