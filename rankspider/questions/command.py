"""Share among the commands that ask the lake: options, one connection, and how rows are written."""

import argparse
import datetime as dt
import sys
from abc import abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from pymongo.database import Database
from scrapy.exceptions import UsageError

from rankspider.command import RankCommand
from rankspider.configuration import Configuration
from rankspider.connections.mongo import LONG_SECONDS
from rankspider.errors import NotInTheLake
from rankspider.moments import HOUR, Period, Range, hour_of, moment_in, moment_text
from rankspider.questions.finals import END_SECONDS, is_end_seen, newest_by_hour
from rankspider.questions.lists import ListName
from rankspider.questions.people import Person, the_anchor
from rankspider.questions.terms import HEADINGS
from rankspider.questions.which import chosen, hours_of_lists, newest_hour
from rankspider.report import Report, csv_of, json_of, table_of
from rankspider.servers import reachable_lake
from rankspider.terminal import harmless, remark, shortened

EXIT_CODES = (
    "Times are given and shown in the zone RANK_TIMEZONE, in UTC with --json. Exit codes: 0 "
    "answered, 1 the lake holds no such list, hour or anchor, 2 wrong usage or several anchors, "
    "3 MongoDB cannot be reached."
)


@dataclass(frozen=True)
class Asking:
    """The question as it was asked, and the lake that is to answer."""

    database: Database[dict[str, Any]]
    zone: ZoneInfo
    now: dt.datetime
    options: argparse.Namespace
    name: str | None
    """The anchor, as it was named."""
    hour: dt.datetime | None
    """Of ``--hour``, UTC."""
    range: Range
    default_hours: int
    ends_now: bool
    context: dict[str, Any] = field(default_factory=dict)
    """The hour and the list, if the answer is of one hour and one list."""

    remarks: list[str] = field(default_factory=list)
    """What whoever reads the answer must know, in whatever form it is written."""

    def anchor(self, name: str | None = None) -> Person:
        """Return the anchor of that name, by default the one that was named. Raises `NotInTheLake`
        or `SeveralAnchors`."""
        name = self.name if name is None else name
        assert name is not None
        person = the_anchor(self.database, name)
        if person.until is not None:
            formerly, until = shortened(harmless(name), 40), moment_text(person.until, self.zone)
            called = f"{person.label} (user_id {person.user_id})"
            self.remarks.append(f"{formerly} is what {called} was called, last seen at {until}.")
        return person

    def list_and_hour(self) -> tuple[ListName, dt.datetime]:
        """Return the list that is meant, and its hour: ``--hour``, or the newest."""
        name, hour = self._chosen([self.hour or self._newest()])
        self.context.update(hour=hour, list=str(name))
        return name, hour

    def list_and_period(self) -> tuple[ListName, Period]:
        """Return the list that is meant, and the hours: ``--from``, ``--to``, ``--hours``."""
        period = self.period()
        last = [self._newest()] if self.ends_now else []
        return self._chosen([*period.newest_first, *last])[0], period

    def about_hours(self, name: ListName, period: Period) -> list[str]:
        """Return notes on how many hours of ``period`` have no such list, or none that was seen up
        to its end. That there are others then, as after a list was renamed, is a remark."""
        known = hours_of_lists(self.database, name, period)
        missing = set(period) - set(known.pop(name, ()))
        for other, hours in sorted(known.items()):
            if count := len(missing.intersection(hours)):
                self.remarks.append(f"In {count} of the hours without this list there is {other}.")
        notes = [f"Hours without this list in the lake: {len(missing)}"] if missing else []
        within = self.options.within
        count = sum(
            hour + HOUR <= self.now and not is_end_seen(hour, newest.at, within)
            for hour, newest in newest_by_hour(self.database, name, period)
        )
        if count:
            notes.append(f"Hours not seen in their last {within:g} s (--within): {count}")
        return notes

    def period(self) -> Period:
        """Return the hours meant; by default they end with the newest in the lake, or the present
        one."""
        if self.ends_now:
            return self.range.period(self.default_hours, hour_of(self.now))
        known = self.range.end or (self.range.start and self.range.hours and self.range.start)
        return self.range.period(self.default_hours, known or self._newest())

    def _newest(self) -> dt.datetime:
        newest = newest_hour(self.database, self.now)
        if newest is None:
            raise NotInTheLake(
                f"the database {self.database.name} holds no list: 'scrapy crawl goods_rank' "
                "brings one, 'make demo' a made-up one"
            )
        return newest

    def _chosen(self, hours: Iterable[dt.datetime]) -> tuple[ListName, dt.datetime]:
        currency, title = self.options.currency, self.options.title
        found = chosen(self.database, hours, currency=currency, title=title)
        if found is None:
            raise NotInTheLake(
                f"the database {self.database.name} holds no such list of that time: give "
                "another one, or leave out --currency and --title"
            )
        return found


class QuestionCommand(RankCommand):
    """Asks the lake and writes the rows of the answer.

    Subclasses write `answer`, and `add_question` if they have options of their own.
    """

    names_an_anchor: ClassVar[bool] = False
    """Whether the command takes one argument: an anchor, by key, link or name."""
    may_name_an_anchor: ClassVar[bool] = False
    """Whether it may be left out."""
    asks_of_a_list: ClassVar[bool] = True
    """Whether ``--currency`` and ``--title`` say which."""
    asks_of_a_time: ClassVar[bool] = True
    """Whether options say of which hour or hours."""
    default_hours: ClassVar[int] = 0
    """How many hours, unless options say so; 0: it is asked of one, ``--hour``."""
    rests_on_ends: ClassVar[bool] = False
    """Whether the answer is only as good as the lists were watched up to their hours' ends."""
    ends_now: ClassVar[bool] = False
    """Whether hours end with the present one by default, whatever the lake holds of it."""
    answers_within: ClassVar[float] = LONG_SECONDS
    """How long MongoDB may take for one query."""

    def syntax(self) -> str:
        if self.may_name_an_anchor:
            return "[ANCHOR] [options]"
        return "ANCHOR [options]" if self.names_an_anchor else "[options]"

    def long_desc(self) -> str:
        return f"{self.description} {EXIT_CODES}"

    @abstractmethod
    def answer(self, asking: Asking) -> Report:
        """Return the rows, read from ``asking.database``."""

    def add_question(self, group: Any) -> None:
        """Add the options that say what is asked beside when, and of which list."""

    def _add_period(self, group: Any) -> None:
        end = "present" if self.ends_now else "newest"
        hours = f"N hours ({self.default_hours} up to --to)"
        group.add_argument("--from", dest="start", metavar="T", help="from the hour that T lies in")
        group.add_argument("--to", dest="end", metavar="T", help=f"up to T (the {end} hour's end)")
        group.add_argument("--hours", type=int, metavar="N", help=hours)

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        super().add_options(parser)
        group = parser.add_argument_group(
            title="What is asked",
            description="T is 2030-01-31T19:00 (with or without an offset), 2030-01-31, now, or "
            "an age such as 3h, 2d, 45min.",
        )
        if self.default_hours:
            self._add_period(group)
        elif self.asks_of_a_time:
            group.add_argument("--hour", metavar="T", help="the hour that T lies in (newest)")
        self.add_question(group)
        if self.rests_on_ends:
            group.add_argument(
                "--within",
                type=float,
                default=END_SECONDS,
                metavar="S",
                help="say of which hours nobody saw the last S seconds (%(default)s)",
            )
        if self.asks_of_a_list:
            group.add_argument("--currency", metavar="C", help="the list in this unit")
            group.add_argument(
                "--title", metavar="L", help="the list of this title or city code (site-wide)"
            )
        add_forms(parser.add_argument_group(title="How it is written"), "JSON, one object a line")

    def execute(self, args: list[str], opts: argparse.Namespace) -> int:
        check_forms(opts)
        name = self._name_in(args)
        if self.rests_on_ends and not opts.within >= 0:  # nor NaN
            raise UsageError("--within must be 0 or more")
        limit = getattr(opts, "limit", None)
        if limit is not None and limit < 1:
            raise UsageError("--limit must be 1 or more")
        configuration = Configuration.read(self.project_settings)
        zone, now = configuration.timezone, dt.datetime.now(dt.UTC)
        in_hour, start, end = (
            moment_in(getattr(opts, name, None), option, zone, now)
            for name, option in (("hour", "--hour"), ("start", "--from"), ("end", "--to"))
        )
        hour = in_hour and hour_of(in_hour)
        span = Range(start, end, getattr(opts, "hours", None))
        with reachable_lake(configuration, answers_within=self.answers_within) as database:
            when = (hour, span, self.default_hours, self.ends_now)
            asking = Asking(database, zone, now, opts, name, *when)
            report = self.answer(asking)
        if opts.json or opts.csv:
            for each in asking.remarks:
                remark(each)
        notes = [*asking.remarks, *report.notes]
        write(replace(report, notes=notes, context=asking.context), opts, zone)
        return 0

    def _name_in(self, args: list[str]) -> str | None:
        takes_one = self.names_an_anchor or self.may_name_an_anchor
        if args and not takes_one:
            raise UsageError(f"not understood: {' '.join(args)}")
        if len(args) > 1 or (self.names_an_anchor and not args):
            raise UsageError(
                "name one anchor: a user_id, a sec_id, a profile link, a display_id, a short_id, "
                "or (part of) a nickname, in quotes if it has blanks; user_id:NUMBER says which"
            )
        return args[0] if args else None


def add_forms(group: Any, json: str) -> None:
    """Add the options that say how an answer is written."""
    forms = group.add_mutually_exclusive_group()
    forms.add_argument("--json", action="store_true", help=f"{json}, times in UTC")
    forms.add_argument("--csv", action="store_true", help="CSV with a head")
    group.add_argument(
        "--bom",
        action="store_true",
        help="with --csv: begin with the mark that Excel knows UTF-8 by",
    )
    group.add_argument(
        "--lang", choices=tuple(HEADINGS), default="en", help="with --csv: headings (%(default)s)"
    )
    group.add_argument(
        "--defuse",
        action="store_true",
        help="with --csv: an apostrophe before texts that a spreadsheet takes for formulas",
    )


def check_forms(opts: argparse.Namespace) -> None:
    """Raise `UsageError` for what only CSV has, without ``--csv``."""
    if not opts.csv and (opts.bom or opts.defuse or opts.lang != "en"):
        raise UsageError("--bom, --lang and --defuse are about spreadsheets: give --csv as well")


def write(report: Report, opts: argparse.Namespace, zone: ZoneInfo) -> None:
    """Write it to standard output as ``--json``, ``--csv`` or neither says."""
    if opts.json:
        sys.stdout.writelines(json_of(report))
    elif opts.csv:
        headings, is_defused = HEADINGS[opts.lang], opts.defuse
        sys.stdout.write("\ufeff" if opts.bom else "")
        sys.stdout.writelines(csv_of(report, zone, headings=headings, is_defused=is_defused))
    else:
        sys.stdout.write(table_of(report, zone))
