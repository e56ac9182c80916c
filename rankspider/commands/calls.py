"""``scrapy calls``: how many calls were made, and what came of them."""

import argparse
from collections import Counter
from collections.abc import Iterator
from typing import Any

from scrapy.exceptions import UsageError

from rankspider.endpoint.sec_uid import sec_uid_of
from rankspider.errors import MemberError, NotInTheLake
from rankspider.moments import span_text
from rankspider.questions.calls import (
    KEYS,
    CallMade,
    CallsCounted,
    calls_counted,
    calls_made,
    counted_by,
    has_calls,
)
from rankspider.questions.command import Asking, QuestionCommand
from rankspider.report import Report

_FILTERS = ("outcome", "licence", "purpose")


class Command(QuestionCommand):
    name = "calls"
    default_hours = 24
    ends_now = True
    asks_of_a_list = False
    summary = "How many calls were made, and what came of them"
    description = (
        "The calls of a period, by the hour in which they left unless --by says otherwise: how "
        "many brought a list and how many failed, their bytes, their mean time, the first and the "
        "last. Days are those of RANK_TIMEZONE. With --anchor and --list, each call. Examples: "
        "'scrapy calls --by day,outcome --from 7d', 'scrapy calls --anchor MS4wLjABAAAA... --list "
        "--limit 20'."
    )

    def add_question(self, group: Any) -> None:
        rows = group.add_mutually_exclusive_group()
        rows.add_argument(
            "--by",
            type=_keys,
            default=["hour"],
            metavar="KEY,...",
            help=f"count by some of {', '.join(KEYS)} (hour)",
        )
        rows.add_argument(
            "--list", action="store_true", help="each call of --anchor, the newest first"
        )
        group.add_argument("--outcome", metavar="NAME", help="of this one: ok, soft-ban, ...")
        group.add_argument("--licence", metavar="F", help="with the licence of this fingerprint")
        group.add_argument("--purpose", metavar="P", help="for this one, such as queue")
        group.add_argument("--anchor", metavar="A", help="for this one, as 'scrapy trend' takes it")
        group.add_argument("--limit", type=int, metavar="N", help="the first N rows (all)")

    def execute(self, args: list[str], opts: argparse.Namespace) -> int:
        if opts.list and opts.anchor is None:
            raise UsageError("--list needs --anchor")
        return super().execute(args, opts)

    def answer(self, asking: Asking) -> Report:
        options, database = asking.options, asking.database
        period = asking.period()
        only = {name: value for name in _FILTERS if (value := getattr(options, name)) is not None}
        head = "Calls"
        if options.anchor is not None:
            only["anchor"], label = _anchor(asking)
            head = f"Calls for {label}"
        head = f"{head}, {span_text(period, asking.zone)}"
        if options.list:
            report = Report(head, CallMade, calls_made(database, period, only, options.limit))
        else:
            counted = calls_counted(database, period, options.by, asking.zone, only)
            rows, notes = _summed(counted, options.limit)
            report = Report(head, counted_by(options.by), rows, notes)
        if not report.rows and not has_calls(database):
            raise NotInTheLake(
                f"the database {database.name} holds no calls: 'scrapy crawl goods_rank' makes "
                "them, and releases before version 2 of the lake kept none"
            )
        return report


def _keys(text: str) -> list[str]:
    keys = text.split(",")
    if not set(keys) <= set(KEYS) or len(set(keys)) < len(keys):
        raise argparse.ArgumentTypeError(f"some of {', '.join(KEYS)}, each once; not {text!r}")
    return keys


def _anchor(asking: Asking) -> tuple[str, str]:
    """Return the anchor's ``sec_uid``, and what it is called. A ``sec_uid`` that the lake has no
    profile of may have been asked for all the same, in vain."""
    text = asking.options.anchor
    try:
        sec_uid = sec_uid_of(text.encode(errors="replace"))
        return sec_uid, sec_uid
    except MemberError:
        person = asking.anchor(text)
        return person.sec_uid, person.label


def _summed(
    found: Iterator[CallsCounted], most: int | None
) -> tuple[list[CallsCounted], list[str]]:
    """Return the first ``most`` rows, and the sum of all as a row of text."""
    rows: list[CallsCounted] = []
    sums: Counter[str] = Counter()
    for row in found:
        sums.update(calls=row.calls, ok=row.ok, failed=row.failed)
        sums.update({"without the anchor's own standing": row.without_own, "bytes": row.bytes})
        if most is None or len(rows) < most:
            rows.append(row)
    counts = ", ".join(f"{name}: {number:,}" for name, number in sums.items())
    return rows, [counts] if counts else []
