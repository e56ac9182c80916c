"""``scrapy export``: collections of the lake as Parquet, JSON Lines or CSV."""

import argparse
import contextlib
import datetime as dt
import json
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pymongo.database import Database
from scrapy.exceptions import UsageError

from rankspider.command import RankCommand
from rankspider.configuration import Configuration
from rankspider.errors import RankspiderError
from rankspider.export.folder import Folder
from rankspider.export.formats import CSV, FORMATS, PARQUET, Format
from rankspider.export.run import Export, ExportResult, write_rows
from rankspider.export.source import Source
from rankspider.export.tables import TABLES, Table
from rankspider.export.window import Window
from rankspider.moments import hour_text, moment_in
from rankspider.servers import reachable_lake
from rankspider.terminal import remark

_STDOUT = "-"
_REMARK_SECONDS = 5.0


class Command(RankCommand):
    name = "export"
    synopsis = "[collection ...] --out DIR [options]"
    summary = "Write collections to Parquet, JSON Lines or CSV files"
    description = (
        f"Write collections ({', '.join(TABLES)}; all of them if none is named) to files, one an "
        "hour of UTC: DIR/COLLECTION/day=2026-01-31/hour=11/part-0.parquet. A document belongs to "
        "the hour of its begin_time (users, rejected: observed_at; user_history: "
        "first_observed_at; calls: asked_at). --from and --to are read in the zone RANK_TIMEZONE. "
        "A file appears when it is whole. Run again, it writes only what is missing, what was not "
        "over yet, and hours that have got more since. Examples: 'scrapy export --out lake', "
        "'scrapy export rank_history --from 2026-01-01 --to 2026-02-01T00 --out january', 'scrapy "
        "export users --format csv --out - > users.csv'. Exit codes: 0 done, 1 the folder or a "
        "document does not fit, 2 an option is wrong, 3 MongoDB cannot be reached."
    )

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        super().add_options(parser)
        group = parser.add_argument_group(
            title="What is written, and where",
            description="T is 2030-01-31T19:00 (with or without an offset), 2030-01-31, now, or "
            "an age such as 3h, 2d, 45min. An hour that a part of the range lies in is written "
            "whole.",
        )
        group.add_argument(
            "--from", dest="start", metavar="T", help="from the hour that T lies in (the oldest)"
        )
        group.add_argument("--to", dest="end", metavar="T", help="up to T (the newest is in)")
        group.add_argument(
            "--format", choices=FORMATS, default=PARQUET, help="of the files (%(default)s)"
        )
        group.add_argument(
            "--out", metavar="DIR", help="the folder; - writes one collection to standard output"
        )
        group.add_argument(
            "--bom", action="store_true", help="begin CSV with a mark that Excel needs for UTF-8"
        )
        group.add_argument(
            "--force", action="store_true", help="write hours anew that are up to date as well"
        )
        group.add_argument("--json", action="store_true", help="write the counts as JSON")

    def execute(self, args: list[str], opts: argparse.Namespace) -> int:
        tables = _tables(args)
        form = _format(opts)
        to_stdout = _to_stdout(tables, opts)
        form.require_library()
        configuration = Configuration.read(self.project_settings)
        zone, now = configuration.timezone, dt.datetime.now(dt.UTC)
        window = Window.touching(
            moment_in(opts.start, "--from", zone, now), moment_in(opts.end, "--to", zone, now)
        )
        remarks = _Remarks(zone)
        with reachable_lake(configuration) as database:
            sources = [Source(database, table) for table in tables]
            for source in sources:
                source.require_index()
            if to_stdout:
                _stream(sources[0], form, window, remarks)
            else:
                folder = Folder(Path(opts.out), form.name)
                export = Export(folder, form, remarks, force=opts.force, now=now)
                with _opened(folder, form, database, tables):
                    for source in sources:
                        _print_outcome(export.run(source, window), as_json=opts.json)
        return 0


def _tables(names: list[str]) -> list[Table]:
    for name in names:
        if name not in TABLES:
            raise UsageError(f"no such collection: {name}; there are {', '.join(TABLES)}")
    return [TABLES[name] for name in dict.fromkeys(names or TABLES)]


def _format(opts: argparse.Namespace) -> Format:
    if opts.bom and opts.format != CSV:
        raise UsageError("--bom belongs to --format csv")
    return Format(opts.format, mark=opts.bom)


def _to_stdout(tables: list[Table], opts: argparse.Namespace) -> bool:
    if opts.out is None:
        raise UsageError("--out must name a folder, as in --out lake")
    if opts.out != _STDOUT:
        return False
    if len(tables) > 1 or opts.format == PARQUET:
        raise UsageError("--out - writes one collection, named, with --format jsonl or csv")
    if opts.force or opts.json:
        raise UsageError("--force and --json belong to a folder, not to --out -")
    return True


def _stream(source: Source, form: Format, window: Window, remarks: "_Remarks") -> None:
    """Write all hours to standard output as one file."""
    output = sys.stdout.buffer
    writer = form.writer(output, source.table)
    for hour in source.hours(window.begin, window.end):
        write_rows(source, hour, writer, remarks)
    writer.close()
    output.flush()


@contextlib.contextmanager
def _opened(
    folder: Folder, form: Format, database: Database[Any], tables: list[Table]
) -> Iterator[None]:
    options = {"format": form.name, "bom": form.mark, "database": database.name}
    try:
        with folder.opened(options, tables):
            yield
    except BrokenPipeError:
        raise  # whoever read the counts has gone
    except OSError as error:
        raise RankspiderError(
            f"--out: {error.filename or folder.root}: {error.strerror or error}; what is written "
            "stays, and the next run goes on from there"
        ) from None


class _Remarks:
    """Says on standard error how far it has come, every few seconds."""

    def __init__(self, zone: dt.tzinfo) -> None:
        self._zone = zone
        self._said_at = time.monotonic()
        self._rows: dict[str, int] = defaultdict(int)

    def __call__(self, collection: str, hour: dt.datetime, rows: int) -> None:
        self._rows[collection] += 1
        now = time.monotonic()
        if now - self._said_at >= _REMARK_SECONDS:
            self._said_at = now
            when = hour_text(hour, self._zone)
            remark(f"{collection}: {self._rows[collection]:,} rows so far, at the hour of {when}")


def _print_outcome(outcome: ExportResult, *, as_json: bool) -> None:
    """Write one line on a collection, as soon as it is done."""
    if as_json:
        counts = {name: getattr(outcome, name) for name in outcome.__dataclass_fields__}
        sys.stdout.write(f"{json.dumps(counts)}\n")
        return
    removed = f", {outcome.hours_removed:,} removed" if outcome.hours_removed else ""
    sys.stdout.write(
        f"{outcome.collection}: {outcome.rows_written:,} rows written (hours: "
        f"{outcome.hours_written:,} written, {outcome.hours_kept:,} up to date{removed})\n"
    )
    sys.stdout.flush()
