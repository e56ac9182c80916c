"""``scrapy export``: collections of the lake as Parquet, JSON Lines or CSV."""

import argparse
import datetime as dt
import json
import sys
import time
from pathlib import Path
from typing import Any

from pymongo.database import Database
from scrapy.exceptions import UsageError

from rankspider.anchors.tally import remark
from rankspider.command import RankCommand
from rankspider.commands.board import CHINA
from rankspider.configuration import Configuration
from rankspider.errors import RankspiderError
from rankspider.export.folder import Folder
from rankspider.export.formats import CSV, FORMATS, PARQUET, Format
from rankspider.export.run import Export, Outcome, write_rows
from rankspider.export.source import Source
from rankspider.export.tables import TABLES, Table
from rankspider.export.window import Window
from rankspider.servers import reachable_lake

_STDOUT = "-"
_REMARK_SECONDS = 5.0


class Command(RankCommand):
    name = "export"

    def syntax(self) -> str:
        return "[collection ...] --out DIR [options]"

    def short_desc(self) -> str:
        return "Write collections to Parquet, JSON Lines or CSV files"

    def long_desc(self) -> str:
        return (
            f"Write collections ({', '.join(TABLES)}; all of them if none is named) to files, one "
            "an hour of UTC: DIR/COLLECTION/day=2026-01-31/hour=11/part-0.parquet. A document "
            "belongs to the hour of its begin_time (users, rejected: observed_at; user_history: "
            "first_observed_at). A file appears when it is whole. Run again, it writes only what "
            "is missing, what was not over yet, and hours that have got more since. Examples: "
            "'scrapy export --out lake', 'scrapy export rank_history --from 2026-01-01 --to "
            "2026-02-01T00 --out january', 'scrapy export users --format csv --out - > "
            "users.csv'. Exit codes: 0 done, 1 the folder or a document does not fit, 2 an option "
            "is wrong, 3 MongoDB cannot be reached."
        )

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        super().add_options(parser)
        group = parser.add_argument_group(title="What is written, and where")
        group.add_argument(
            "--from",
            dest="begin",
            metavar="ISO8601",
            help="the first hour; +08:00 if no offset (the oldest)",
        )
        group.add_argument(
            "--to", dest="end", metavar="ISO8601", help="the hour to stop before (the newest is in)"
        )
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
        window = Window.touching(_time("--from", opts.begin), _time("--to", opts.end))
        to_stdout = _to_stdout(tables, opts)
        form.require_library()
        configuration = Configuration.read(self.project_settings)
        with reachable_lake(configuration) as database:
            sources = [Source(database, table) for table in tables]
            for source in sources:
                source.require_index()
            if to_stdout:
                _stream(sources[0], form, window)
            else:
                _fill(sources, form, window, database, opts)
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


def _time(option: str, text: str | None) -> dt.datetime | None:
    if text is None:
        return None
    try:
        time = dt.datetime.fromisoformat(text)
        return (time if time.tzinfo else time.replace(tzinfo=CHINA)).astimezone(dt.UTC)
    except (ValueError, OverflowError) as error:
        raise UsageError(f"{option} must be like 2030-01-31T19, not {text!r}") from error


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


def _stream(source: Source, form: Format, window: Window) -> None:
    """To standard output, all hours as one file."""
    output = sys.stdout.buffer
    writer = form.writer(output, source.table)
    for hour in source.hours(window.begin, window.end):
        write_rows(source, hour, writer, _Remarks())
    output.flush()


def _fill(
    sources: list[Source],
    form: Format,
    window: Window,
    database: Database[Any],
    opts: argparse.Namespace,
) -> None:
    folder = Folder(Path(opts.out), form.name)
    options = {"format": form.name, "bom": form.mark, "database": database.name}
    now = dt.datetime.now(dt.UTC)
    export = Export(folder, form, _Remarks(), force=opts.force, now=now)
    try:
        with folder.opened(options, [source.table for source in sources]):
            for source in sources:
                _tell(export.run(source, window), as_json=opts.json)
    except OSError as error:
        raise RankspiderError(
            f"--out: {error.filename or opts.out}: {error.strerror or error}; what is written "
            "stays, and the next run goes on from there"
        ) from error


class _Remarks:
    """Says on standard error how far it has come, every few seconds."""

    def __init__(self) -> None:
        self._said_at = time.monotonic()
        self._rows = 0

    def __call__(self, collection: str, hour: dt.datetime, rows: int) -> None:
        self._rows += 1
        now = time.monotonic()
        if now - self._said_at >= _REMARK_SECONDS:
            self._said_at = now
            when = hour.astimezone(CHINA).isoformat(" ", "minutes")
            remark(f"{collection}: {self._rows:,} rows written, at the hour of {when}")


def _tell(outcome: Outcome, *, as_json: bool) -> None:
    """One line a collection, as soon as it is done."""
    if as_json:
        counts = {name: getattr(outcome, name) for name in outcome.__dataclass_fields__}
        sys.stdout.write(f"{json.dumps(counts)}\n")
        return
    removed = f", {outcome.hours_removed:,} gone" if outcome.hours_removed else ""
    sys.stdout.write(
        f"{outcome.collection}: {outcome.rows_written:,} rows of {outcome.hours_written:,} hours "
        f"written, {outcome.hours_kept:,} hours up to date{removed}\n"
    )
    sys.stdout.flush()
