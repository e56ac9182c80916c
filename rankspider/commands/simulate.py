"""``scrapy simulate``: a rank endpoint on this machine, with simulated data."""

import argparse
import asyncio
import sys
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from scrapy.exceptions import UsageError

from rankspider.command import RankCommand
from rankspider.simulator.options import CHOICES, Options
from rankspider.simulator.world import World, failing_sec_uid

_DEFAULTS: Final = Options()


class Command(RankCommand):
    name = "simulate"
    summary = "Serve a local rank endpoint with simulated data"
    description = (
        "Serve the rank endpoint on this machine, with simulated data: no account, no token, no "
        "real person. The list grows, swaps places and turns with the hour as the real one does, "
        "and the same --seed always brings the same sellers. Any sec_id is answered. A token like "
        "fail-http503, or fail-once-http503 for the first call of each anchor, makes calls fail in "
        "that way. So does an anchor that names the failure, whatever the token: "
        f"{failing_sec_uid('http503')} (MS4wLjABAAAAfail-, the name, -, and digits up to 55 "
        "characters; once- works too). GET /_simulator/failures on the running server lists the "
        "names, /_simulator/stats and /_simulator/calls say what was served. Ctrl-C ends it."
    )

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        super().add_options(parser)
        _add_network_options(parser.add_argument_group(title="Where"))
        _add_world_options(parser.add_argument_group(title="What is simulated"))
        _add_trouble_options(parser.add_argument_group(title="How it answers"))

    def execute(self, args: list[str], opts: argparse.Namespace) -> int:
        if args:
            raise UsageError(f"not understood: {' '.join(args)}")
        options = _options(opts)
        if opts.sec_ids is not None:
            return _write_sec_ids(options, opts.sec_ids)
        if not 0 <= opts.port <= 65535:
            raise UsageError(f"--port must be from 0 to 65535, not {opts.port}")
        # Scrapy imports every command at every start, and the web server takes its time.
        from rankspider.simulator.serving import serve

        try:
            asyncio.run(serve(options, opts.host, opts.port))
        except FileNotFoundError as error:
            raise UsageError(f"cannot open {error.filename}: {error.strerror}") from error
        return 0


def _add_network_options(group: "argparse._ArgumentGroup") -> None:
    group.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    group.add_argument(
        "--port", type=int, default=8321, help="port to listen on; 0: any free one (%(default)s)"
    )


def _add_world_options(group: "argparse._ArgumentGroup") -> None:
    group.add_argument("--seed", type=int, help="which world; the same again for the same seed (1)")
    group.add_argument("--anchors", type=int, metavar="N", help="sellers in it (1000)")
    group.add_argument("--rows", type=int, metavar="N", help="rows of the list (100)")
    change = group.add_mutually_exclusive_group()
    change.add_argument(
        "--change-seconds",
        type=float,
        metavar="S",
        help="the list changes every S virtual seconds (10)",
    )
    change.add_argument(
        "--change-every", type=int, metavar="N", help="the list changes after every N answers"
    )
    group.add_argument(
        "--churn",
        choices=CHOICES["churn"],
        help="of the rows, how many score between two states: 3 in 10, or all (some)",
    )
    group.add_argument(
        "--start", metavar="ISO8601", help="virtual time at the start; UTC if no offset (now)"
    )
    group.add_argument("--speed", type=float, metavar="X", help="virtual seconds in a second (1)")
    group.add_argument(
        "--sec-ids", type=int, metavar="N", help="print N sec_ids of this world, then exit"
    )


def _add_trouble_options(group: "argparse._ArgumentGroup") -> None:
    group.add_argument(
        "--envelope",
        choices=CHOICES["envelope"],
        help='answers bare, wrapped as {"code": 200, …}, or in turns (bare)',
    )
    group.add_argument(
        "--latency", dest="latency_ms", type=float, metavar="MS", help="wait before an answer (0)"
    )
    group.add_argument(
        "--jitter",
        dest="jitter_ms",
        type=float,
        metavar="MS",
        help="wait longer by a random time, exponential with this mean (0)",
    )
    group.add_argument(
        "--fail-rate",
        type=float,
        metavar="P",
        help="share of calls, 0 to 1, that fail in a way another try mends (0)",
    )
    group.add_argument(
        "--slow-seconds", type=float, metavar="S", help="what the failure 'slow' waits (30)"
    )
    group.add_argument(
        "--style",
        choices=CHOICES["style"],
        help="JSON without blanks, with one after each colon and comma, on indented lines, with "
        "escapes for all but ASCII, keys in another order at each call, compact and spaced in "
        "turns, integers as text, empty objects as arrays, or null for zero (compact)",
    )
    group.add_argument(
        "--encoding",
        choices=CHOICES["encoding"],
        help="compress so for callers that accept it; mixed: in turns (identity: not at all)",
    )
    group.add_argument(
        "--gzip", dest="encoding", action="store_const", const="gzip", help="--encoding gzip"
    )
    group.add_argument(
        "--redirect-to",
        metavar="URL",
        help=f"where the failure 'redirect' leads ({_DEFAULTS.redirect_to})",
    )
    group.add_argument(
        "--sample", type=Path, metavar="FILE", help="answer every call with this file's bytes"
    )
    group.add_argument(
        "--record",
        type=Path,
        metavar="FILE",
        help="append a line of JSON about each answer: what a database should hold afterwards",
    )


def _options(opts: argparse.Namespace) -> Options:
    """Return the simulator's options; an option that was not given keeps its default there."""
    given = {
        field.name: value
        for field in fields(Options)
        if (value := getattr(opts, field.name, None)) is not None
    }
    if opts.start is not None:
        given["start_ms"] = _milliseconds(opts.start)
    try:
        return Options(**given)
    except ValueError as error:
        name, _, rest = str(error).partition(" ")
        option = name.removesuffix("_ms").replace("_", "-")
        raise UsageError(f"--{option} {rest}") from error


def _milliseconds(text: str) -> int:
    try:
        start = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"--start must be like 2030-01-31T19:58:00+08:00, not {text!r}") from error
    if start.tzinfo is None:
        start = start.replace(tzinfo=UTC)
    return round(start.timestamp() * 1000)


def _write_sec_ids(options: Options, count: int) -> int:
    if not 1 <= count <= options.anchors:
        limit = f"from 1 to {options.anchors} (--anchors)"
        raise UsageError(f"--sec-ids must be {limit}, not {count}")
    world = World(seed=options.seed, anchors=options.anchors, rows=options.rows)
    sys.stdout.writelines(f"{world.sec_uid(index)}\n" for index in range(count))
    return 0
