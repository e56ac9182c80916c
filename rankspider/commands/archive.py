"""``scrapy archive``: what is archived, and one answer as it came."""

import argparse
import datetime as dt
import sys
from dataclasses import replace

from scrapy.exceptions import UsageError

from rankspider.archive import selection as options
from rankspider.archive.display import archived_json, holdings_json, holdings_text
from rankspider.archive.hours import archived_hours
from rankspider.archive.reading import Archived, ArchiveReader
from rankspider.archive.selection import AnswerFilter, moment
from rankspider.command import RankCommand
from rankspider.configuration import Configuration
from rankspider.errors import RankspiderError
from rankspider.servers import reachable_lake

_MILLISECOND = dt.timedelta(milliseconds=1)


class Command(RankCommand):
    name = "archive"
    synopsis = "[list | show] [options]"
    summary = "List archived answers, or show one as it came"
    description = (
        "List what RANK_ARCHIVE=1 kept, by hour: how many answers, how long they were and how much "
        "room they take. 'scrapy archive show' writes the newest of those chosen to standard "
        "output, byte for byte as it came. Examples: 'scrapy archive', 'scrapy archive show "
        "--anchor MS4wLjABAAAA... --at 2030-01-31T19:20', 'scrapy archive show --hour "
        "2030-01-31T19:00 | jq .data.ranks[0]'. Times are given and shown in the zone "
        "RANK_TIMEZONE, in UTC with --json. Exit codes: 0 done, 1 there is no such answer, or it "
        "cannot be restored, 2 wrong usage, 3 MongoDB cannot be reached."
    )

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        super().add_options(parser)
        options.add_options(parser)
        group = parser.add_argument_group(title="How they are shown")
        group.add_argument("--at", metavar="T", help="show the one that was newest at T")
        group.add_argument("--json", action="store_true", help="as JSON; show adds what is known")

    def execute(self, args: list[str], opts: argparse.Namespace) -> int:
        action, *rest = args or ["list"]
        if action not in ("list", "show") or rest:
            raise UsageError(f"not understood: {' '.join(args)}")
        if opts.at is not None and action != "show":
            raise UsageError("--at is of 'scrapy archive show': give --from and --to here")
        if opts.at is not None and opts.end is not None:
            raise UsageError("--at and --to cannot both be given: leave out one")
        configuration = Configuration.read(self.project_settings)
        zone = configuration.timezone
        selection = AnswerFilter.of(opts, zone)
        at = moment("--at", opts.at, zone)
        if at is not None:
            selection = replace(selection, end=at + _MILLISECOND)
        with reachable_lake(configuration) as lake:
            if action == "list":
                found = archived_hours(lake, selection)
                sys.stdout.write(holdings_json(found) if opts.json else holdings_text(found, zone))
            else:
                _show(ArchiveReader(lake).newest(selection), as_json=opts.json)
        return 0


def _show(archived: Archived | None, *, as_json: bool) -> None:
    if archived is None:
        raise RankspiderError("no such answer is archived: 'scrapy archive' lists what there is")
    if as_json:
        sys.stdout.write(archived_json(archived))
    else:
        sys.stdout.buffer.write(archived.body)
