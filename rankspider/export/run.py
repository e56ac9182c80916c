"""An export: which hours must be written, written anew, or are up to date."""

import contextlib
import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass

from rankspider.export.folder import Folder
from rankspider.export.formats import Format, RowWriter
from rankspider.export.manifest import Part
from rankspider.export.rows import row_of
from rankspider.export.source import Source
from rankspider.export.window import Window
from rankspider.moments import HOUR

# After its end an hour still gets what was under way: answers and batches.
SETTLES_AFTER = dt.timedelta(minutes=15)

Progress = Callable[[str, dt.datetime, int], None]
"""Told the collection, the hour, and how many of its rows were written; often."""


@dataclass
class ExportResult:
    """What became of the hours of one collection."""

    collection: str
    hours_written: int = 0
    rows_written: int = 0
    hours_kept: int = 0
    """Up to date already."""
    hours_removed: int = 0
    """Everything they held has moved to newer hours."""


class Export:
    """Writes what a folder lacks of the lake."""

    def __init__(
        self, folder: Folder, form: Format, progress: Progress, *, force: bool, now: dt.datetime
    ) -> None:
        """Take ``force`` to write hours that are up to date as well; ``now`` says which hours are
        over."""
        self._folder = folder
        self._format = form
        self._progress = progress
        self._force = force
        self._now = now

    def run(self, source: Source, window: Window) -> ExportResult:
        """Bring every hour of ``window`` up to date; what was done stays done if it raises."""
        outcome = ExportResult(source.table.collection)
        newest = source.newest_hour()
        present = set()
        for hour in source.hours(window.begin, window.end):
            present.add(hour)
            if not self._force and self._is_up_to_date(source, hour):
                outcome.hours_kept += 1
                continue
            final = hour != newest and hour <= self._now - SETTLES_AFTER - HOUR
            outcome.rows_written += self._write(source, hour, final=final)
            outcome.hours_written += 1
        if source.table.moves:
            self._remove_all_but(present, window, outcome)
        return outcome

    def _is_up_to_date(self, source: Source, hour: dt.datetime) -> bool:
        """Return whether the hour was over and the lake has got nothing new for it since.

        If the lake holds less, it has forgotten, and the file is what remembers; unless what is
        gone from this hour is merely in another now.
        """
        part = self._folder.manifest.part(source.table.collection, hour)
        if part is None or not part.final or not self._folder.holds(part):
            return False
        extent = source.extent(hour)
        if extent.rows < part.rows:
            return not source.table.moves
        return extent == (part.rows, part.seen_ms)

    def _write(self, source: Source, hour: dt.datetime, *, final: bool) -> int:
        collection, extent = source.table.collection, source.extent(hour)
        with self._folder.new_file(collection, hour) as file:
            with contextlib.closing(self._format.writer(file, source.table)) as writer:
                rows = write_rows(source, hour, writer, self._progress)
            length = file.tell()
        part = Part(collection, hour, rows, length, final, extent.seen_ms)
        if rows:
            self._folder.manifest.record(part)
        else:  # all of it was observed again meanwhile, and belongs to a newer hour
            self._folder.remove(part)
        return rows

    def _remove_all_but(
        self, present: set[dt.datetime], window: Window, outcome: ExportResult
    ) -> None:
        for part in self._folder.manifest.parts(outcome.collection):
            if window.holds(part.hour) and part.hour not in present:
                self._folder.remove(part)
                outcome.hours_removed += 1


def write_rows(source: Source, hour: dt.datetime, writer: RowWriter, progress: Progress) -> int:
    """Hand one hour to ``writer``; return the number of rows."""
    rows = 0
    for document in source.documents(hour):
        writer.write(row_of(source.table, document))
        rows += 1
        progress(source.table.collection, hour, rows)
    return rows
