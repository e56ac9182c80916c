"""``scrapy board``: the hour's list, read back from MongoDB."""

import argparse
import datetime as dt
import sys

from scrapy.exceptions import UsageError

from rankspider.command import RankCommand
from rankspider.configuration import Configuration
from rankspider.errors import NotInTheLake
from rankspider.moments import clock_text, hour_of, hour_text, moment_in, moment_text
from rankspider.questions.board import Board, Place, board
from rankspider.questions.command import add_forms, check_forms, write
from rankspider.questions.finals import END_SECONDS
from rankspider.questions.lists import ListName
from rankspider.questions.moment import board_at
from rankspider.report import Report, json_object
from rankspider.servers import reachable_lake
from rankspider.terminal import harmless, shortened, table

_NAME_COLUMNS = 32


class Command(RankCommand):
    name = "board"
    summary = "Show the newest hour's list from MongoDB"
    description = (
        "Show the newest hour's list as MongoDB has it: place, nickname, points, points behind the "
        "next better place and tags, then the asked anchors that are not on it; and whether the "
        "hour is over, and how long before its close the list was seen. Examples: 'scrapy board "
        "--limit 10', 'scrapy board --hour 2030-01-31T19:00', 'scrapy board --at "
        "2030-01-31T19:42:07' for the list as it was known then, 'scrapy board --at 45min --csv'. "
        "T may also be now, or an age: 3h, 2d, 45min. Times are given and shown in the zone "
        "RANK_TIMEZONE, in UTC with --json. Exit code 1: there is no such list."
    )

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        super().add_options(parser)
        group = parser.add_argument_group(title="What is shown")
        group.add_argument("--limit", type=int, metavar="N", help="the first N places (all)")
        group.add_argument(
            "--own", type=int, default=5, metavar="N", help="N unlisted anchors (%(default)s)"
        )
        when = group.add_mutually_exclusive_group()
        when.add_argument("--at", metavar="T", help="the list as it was known at T (newest)")
        when.add_argument(
            "--hour", metavar="T", help="the hour that T lies in, as 2030-01-31T19:00 (newest)"
        )
        group.add_argument("--currency", help="the hour's list in this unit (observed last)")
        group.add_argument("--title", help="the hour's list of this title or city code")
        add_forms(parser.add_argument_group(title="How it is written"), "JSON, one object in all")

    def execute(self, args: list[str], opts: argparse.Namespace) -> int:
        if args:
            raise UsageError(f"not understood: {' '.join(args)}")
        if (opts.limit or 0) < 0 or opts.own < 0:
            raise UsageError("--limit and --own must be 0 or more")
        check_forms(opts)
        configuration = Configuration.read(self.project_settings)
        zone = configuration.timezone
        found = self._read(opts, configuration)
        if opts.limit is not None:
            del found.rows[opts.limit :]
        if opts.csv:
            parts = (found.currency, found.title, found.subtitle, found.city_code)
            context = {"hour": found.begin_time, "list": str(ListName(*parts))}
            write(Report("", Place, found.rows, context=context), opts, zone)
        else:
            sys.stdout.write(json_object(found) if opts.json else board_text(found, zone))
        return 0

    def _read(self, opts: argparse.Namespace, configuration: Configuration) -> Board:
        zone, now = configuration.timezone, dt.datetime.now(dt.UTC)
        named = {"currency": opts.currency, "title": opts.title}
        hour = moment_in(opts.hour, "--hour", zone, now)
        moment = moment_in(opts.at, "--at", zone, now)
        with reachable_lake(configuration) as database:
            if moment is not None:
                found = board_at(database, moment, **named, now=now)
            else:
                found = board(database, hour and hour_of(hour), **named, own=opts.own, now=now)
            if found is None:
                name = configuration.mongo_database
                raise NotInTheLake(f"the database {name} holds no such list: {_hint(opts)}")
        return found


def _hint(opts: argparse.Namespace) -> str:
    given = (opts.at, opts.hour, opts.currency, opts.title)
    if any(each is not None for each in given):
        return "leave out --at, --hour, --currency and --title to see the newest"
    return "'scrapy crawl goods_rank' brings one, 'make demo' a made-up one"


def board_text(found: Board, zone: dt.tzinfo) -> str:
    """Return the board as a person reads it, every line ended."""
    lines = [_headline(found, zone), "", *_listed(found.rows)]
    if not found.is_whole:
        lines += ["", "No state of the list as a whole is stored: these are rows by themselves."]
    if found.own_count:
        shown = len(found.own)
        which = f", the {shown} with the most points" if 0 < shown < found.own_count else ""
        lines += ["", f"Asked for and not on the list: {found.own_count}{which}"]
        lines += _unlisted(found.own)
    if found.other_lists:
        others = ", ".join(map(harmless, found.other_lists))
        lines += ["", f"Also of this hour (--currency, --title): {others}"]
    return "".join(f"{line}\n" for line in lines)


def _headline(found: Board, zone: dt.tzinfo) -> str:
    parts = (found.title, found.subtitle, found.region_name, found.currency)
    name = " ".join(harmless(part) for part in parts if part) or "a list without a name"
    hour, observed = hour_text(found.begin_time, zone), clock_text(found.observed_at, zone)
    if found.next_observed_at is not None:
        observed += f" and next at {moment_text(found.next_observed_at, zone)}"
    left = found.seconds_before_close
    when = f"{abs(left):,} s {'before' if left >= 0 else 'after'} the close"
    return f"{name}, hour of {hour}, observed at {observed}, {when} ({_state(found)})"


def _state(found: Board) -> str:
    if not found.is_final:
        return "live"
    was_seen = 0 <= found.seconds_before_close <= END_SECONDS
    return "final" if was_seen else "over, its end was not seen"


def _listed(rows: list[Place]) -> list[str]:
    if not rows:
        return ["No places to show."]
    heads = (" place", "nickname", " points", " behind next", "tags")
    return table(
        heads,
        [
            (str(row.place), _name(row), f"{row.score:,}", f"{row.delta:,}", _tags(row))
            for row in rows
        ],
    )


def _unlisted(rows: list[Place]) -> list[str]:
    if not rows:
        return []
    return table(
        (" place", "nickname", " points", "what the endpoint says"),
        [
            (str(row.place or "-"), _name(row), f"{row.score:,}", row.gap_description)
            for row in rows
        ],
    )


def _name(row: Place) -> str:
    return shortened(row.nickname, _NAME_COLUMNS) or row.user_id


def _tags(row: Place) -> str:
    return ", ".join(map(harmless, row.tags))
