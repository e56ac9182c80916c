"""``scrapy rejects``: records that failed a hard check, and what to do with them."""

import argparse
import asyncio
import datetime as dt
import sys
from collections import Counter
from dataclasses import asdict

from pymongo import ReadPreference
from scrapy.exceptions import UsageError

from rankspider.command import RankCommand
from rankspider.configuration import Configuration
from rankspider.connections.mongo import LONG_SECONDS, connect
from rankspider.errors import RankspiderError
from rankspider.lake.version import refuse_newer
from rankspider.lake.writer import Writer
from rankspider.quarantine.collection import RejectFilter, Rejects
from rankspider.quarantine.display import (
    as_json,
    groups_text,
    json_line,
    record_text,
    records_text,
    wrong_text,
)
from rankspider.quarantine.retry import Quarantine
from rankspider.servers import lake_address
from rankspider.terminal import harmless

_ACTIONS = ("list", "show", "retry", "drop")


class Command(RankCommand):
    name = "rejects"
    synopsis = "[list | show ID | retry | drop] [ID ...] [options]"
    summary = "Show, retry or drop the records that failed a check"
    description = (
        "Show the records that failed a hard check, by reason, or one by one with --reason, "
        "--anchor or an ID; 'show' adds the record as it came. 'retry', after a fix of the code, "
        "runs them through today's checks, stores what is sound now and takes it out of the "
        "quarantine once that is durable; 'drop' forgets those named by ID, --reason or --anchor, "
        "or --all. Examples: 'scrapy rejects', 'scrapy rejects --reason \"sec_uid is not of the "
        "known form\"', 'scrapy rejects show rows/0123...', 'scrapy rejects retry --dry-run', "
        "'scrapy rejects --json' for one object a line. Times are shown in the zone RANK_TIMEZONE, "
        "in UTC with --json. Exit codes: 0 done, 1 one that was named is not there or a newer "
        "release wrote the lake, 3 MongoDB cannot be reached."
    )

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        super().add_options(parser)
        group = parser.add_argument_group(title="Which ones, and how they are shown")
        group.add_argument("--reason", metavar="R", help="those rejected for reason R")
        group.add_argument("--anchor", metavar="A", help="those of answers to the sec_id A")
        group.add_argument("--all", action="store_true", help="all of them, to drop")
        group.add_argument(
            "--limit", type=int, default=20, metavar="N", help="list N lines (%(default)s)"
        )
        group.add_argument("--json", action="store_true", help="write JSON, one object a line")
        group.add_argument("--raw", action="store_true", help="show: the record only, as it came")
        group.add_argument(
            "--dry-run", action="store_true", help="retry: say what would be, and change nothing"
        )

    def execute(self, args: list[str], opts: argparse.Namespace) -> int:
        action, ids = _understood(args, opts)
        configuration = Configuration.read(self.project_settings)
        with lake_address(configuration) as uri:
            return asyncio.run(_run(action, ids, opts, configuration, uri))


def _understood(args: list[str], opts: argparse.Namespace) -> tuple[str, list[str]]:
    action, *ids = args or ["list"]
    if action not in _ACTIONS:
        raise UsageError(f"the first word must be list, show, retry or drop, not {action}")
    for id_ in ids:
        if id_.startswith("--"):
            raise UsageError(f"not understood: {id_}")
    if opts.limit < 1:
        raise UsageError("--limit must be 1 or more")
    if action == "show" and len(ids) != 1:
        raise UsageError("which one? Name one ID, as 'scrapy rejects --reason R' lists them")
    chosen = bool(ids) or opts.reason is not None or opts.anchor is not None
    if opts.all and chosen:
        raise UsageError("--all leaves no choice: leave it out, or the IDs, --reason and --anchor")
    if action == "drop" and not (opts.all or chosen):
        raise UsageError("which ones? Name IDs, or give --reason R, --anchor A or --all, to drop")
    return action, ids


async def _run(
    action: str, ids: list[str], opts: argparse.Namespace, configuration: Configuration, uri: str
) -> int:
    async with connect(uri, answers_within=LONG_SECONDS) as client:
        # A secondary may lag behind what decides here what is stored, tried again or dropped.
        database = client.get_database(
            configuration.mongo_database, read_preference=ReadPreference.PRIMARY
        )
        rejects = Rejects(database)
        selection = RejectFilter(ids, opts.reason, opts.anchor)
        missing = await rejects.missing(ids)
        if missing:
            raise RankspiderError(f"no such rejected record: {', '.join(map(harmless, missing))}")
        if action == "list":
            await _list(rejects, selection, opts, configuration.timezone)
        elif action == "show":
            await _show(rejects, ids[0], opts, configuration.timezone)
        else:
            await refuse_newer(database)
            if action == "drop":
                _say({"dropped": await rejects.drop(selection)}, opts)
            else:
                keep_private = configuration.keep_private_fields
                quarantine = Quarantine(rejects, Writer(database), keep_private=keep_private)
                await _retry(quarantine, selection, opts)
    return 0


async def _list(
    rejects: Rejects, selection: RejectFilter, opts: argparse.Namespace, zone: dt.tzinfo
) -> None:
    if selection.query:
        documents = await rejects.newest(selection, opts.limit)
        lines = [*map(json_line, documents)] if opts.json else records_text(documents, zone)
    else:
        groups = await rejects.groups(opts.limit)
        lines = (
            [as_json(asdict(each)) for each in groups] if opts.json else groups_text(groups, zone)
        )
    sys.stdout.writelines(f"{line}\n" for line in lines)


async def _show(rejects: Rejects, id_: str, opts: argparse.Namespace, zone: dt.tzinfo) -> None:
    document = await rejects.one(id_)
    if document is None:
        raise RankspiderError(f"no such rejected record: {harmless(id_)}")
    if opts.raw:
        sys.stdout.write(f"{document['payload']}\n")
    elif opts.json:
        sys.stdout.write(f"{json_line(document)}\n")
    else:
        sys.stdout.writelines(f"{line}\n" for line in record_text(document, zone))


async def _retry(quarantine: Quarantine, selection: RejectFilter, opts: argparse.Namespace) -> None:
    wrong: Counter[str] = Counter()
    stored = 0
    async for outcome in quarantine.retry(selection, dry_run=opts.dry_run):
        if outcome.problem is None:
            stored += 1
            continue
        wrong[outcome.problem] += 1
        if opts.json:
            sys.stdout.write(f"{as_json({'id': outcome.id, 'still_wrong': outcome.problem})}\n")
    if wrong and not opts.json:
        sys.stdout.writelines(f"{line}\n" for line in wrong_text(wrong))
    name = "would_be_stored" if opts.dry_run else "stored"
    _say({name: stored, "still_wrong": wrong.total()}, opts)


def _say(counts: dict[str, int], opts: argparse.Namespace) -> None:
    if opts.json:
        sys.stdout.write(f"{as_json(counts)}\n")
        return
    line = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in counts.items())
    sys.stdout.write(f"Rejected records: {line}\n")
