"""``scrapy queue``: what waits, is leased, delayed or dead, and where the servers are."""

import argparse
import datetime as dt
import json
import sys
import threading
from typing import Any
from zoneinfo import ZoneInfo

from scrapy.exceptions import UsageError

from rankspider.command import RankCommand
from rankspider.configuration import Configuration
from rankspider.connections.redis import (
    REDIS_ERRORS,
    connect_blocking,
    is_configured,
    unavailable,
)
from rankspider.connections.redis_keys import Keys
from rankspider.embedded import embedded_servers
from rankspider.endpoint.sec_uid import sec_uid_of
from rankspider.errors import MemberError, RankspiderError
from rankspider.moments import moment_text
from rankspider.queue.dead_letters import shown
from rankspider.queue.overview import Overview, QueueView
from rankspider.servers import reachable_servers
from rankspider.terminal import remark, shortened, table

_MEMBER_COLUMNS = 160
_ACTIONS = ("show", "peek", "clear", "servers")


class Command(RankCommand):
    name = "queue"
    synopsis = "[show | peek | clear | servers] [options]"
    summary = "Show what waits, is leased, delayed or dead; clear it; where the servers are"
    description = (
        "Show how the queue RANK_QUEUE_KEY stands: its kind (list, set or zset), how many anchors "
        "wait, are leased (to which worker, since when, until when), delayed until their next try, "
        "or dead, and why. 'peek' shows those that are taken next, 'clear' forgets what waits and "
        "what is delayed: what is leased goes on, and dead letters stay. 'servers' writes the "
        "addresses of the embedded servers, with their passwords, for redis-cli and mongosh. "
        "Examples: 'scrapy queue', 'scrapy queue peek -n 20', 'scrapy queue clear --yes', 'scrapy "
        "queue servers --hold', 'scrapy queue --json'. Times are in the zone RANK_TIMEZONE, in UTC "
        "with --json. Exit codes: 0 done, 1 not cleared, 2 wrong usage, 3 Redis cannot be reached."
    )

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        super().add_options(parser)
        group = parser.add_argument_group(title="What is done, and how it is shown")
        group.add_argument("-n", dest="most", type=int, metavar="N", help="peek at N anchors (10)")
        group.add_argument("--yes", action="store_true", help="clear without a question")
        group.add_argument(
            "--hold", action="store_true", help="keep the servers running until Ctrl-C"
        )
        group.add_argument("--json", action="store_true", help="write JSON, one object a line")

    def execute(self, args: list[str], opts: argparse.Namespace) -> int:
        action = _understood(args, opts)
        configuration = Configuration.read(self.project_settings)
        if action == "servers":
            self._print_servers(configuration, opts)
            return 0
        with (
            reachable_servers(self.project_settings, configuration, mongo=False),
            connect_blocking(self.project_settings) as client,
        ):
            view = QueueView(client, Keys.of(configuration.queue_key))
            try:
                if action == "show":
                    _show(view.overview(), configuration, as_json=opts.json)
                elif action == "peek":
                    _peek(view, opts.most or 10, as_json=opts.json)
                else:
                    _clear(view, configuration.queue_key, opts)
            except REDIS_ERRORS as error:
                raise unavailable(error) from None
        return 0

    def _print_servers(self, configuration: Configuration, opts: argparse.Namespace) -> None:
        needs_redis = not is_configured(self.project_settings)
        needs_mongo = configuration.mongo_uri is None
        folder = configuration.data_dir
        with embedded_servers(folder, redis=needs_redis, mongo=needs_mongo) as servers:
            urls = {"redis": servers.redis_url, "mongo": servers.mongo_uri}
            if opts.json:
                sys.stdout.write(f"{json.dumps(urls)}\n")
            else:
                sys.stdout.write(_line("redis-cli -u", servers.redis_url, "REDIS_URL"))
                sys.stdout.write(_line("mongosh", servers.mongo_uri, "MONGO_URI"))
            sys.stdout.flush()
            if any(urls.values()):
                _say_how_long(hold=opts.hold)


def _understood(args: list[str], opts: argparse.Namespace) -> str:
    action, *rest = args or ["show"]
    if action not in _ACTIONS or rest:
        raise UsageError(f"choose one of {', '.join(_ACTIONS)}, not {' '.join(args)}")
    for option, given, of in (
        ("-n", opts.most is not None, "peek"),
        ("--yes", opts.yes, "clear"),
        ("--hold", opts.hold, "servers"),
    ):
        if given and action != of:
            raise UsageError(f"{option} is an option of 'scrapy queue {of}'")
    if opts.most is not None and opts.most < 1:
        raise UsageError("-n must be 1 or more")
    return action


def _line(command: str, url: str | None, setting: str) -> str:
    return f'{command} "{url}"\n' if url else f'{command} "${setting}"    # your own\n'


def _say_how_long(*, hold: bool) -> None:
    if not hold:
        remark("They serve while a command of this folder runs: --hold keeps them until Ctrl-C")
        return
    remark("They serve until Ctrl-C")
    threading.Event().wait()


def _show(stands: Overview, configuration: Configuration, *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(f"{json.dumps(_object(stands, configuration.queue_key))}\n")
        return
    zone, dead = configuration.timezone, sum(stands.dead.values())
    lines = [
        f"{configuration.queue_key} ({stands.kind or 'empty'}): {stands.waiting:,} waiting, "
        f"{stands.leased:,} leased, {stands.delayed:,} delayed, {dead:,} dead"
    ]
    if stands.holders:
        lines += ["", *_busy_workers(stands, zone)]
    if stands.next_try_at is not None:
        lines += ["", f"delayed: the next try is due at {moment_text(stands.next_try_at, zone)}"]
    if dead:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in stands.dead.items())
        lines += ["", f"dead: {reasons}; 'scrapy dead-letters' shows them"]
    _write(lines)


def _busy_workers(stands: Overview, zone: ZoneInfo) -> list[str]:
    rows = [
        (
            holder.worker,
            f"{holder.anchors:,}",
            "-" if holder.since is None else moment_text(holder.since, zone),
            moment_text(holder.until, zone),
        )
        for holder in stands.holders
    ]
    return table(("worker", " leased", "since", "until, unless renewed"), rows)


def _object(stands: Overview, queue: str) -> dict[str, Any]:
    return {
        "queue": queue,
        "kind": stands.kind,
        "waiting": stands.waiting,
        "leased": stands.leased,
        "delayed": stands.delayed,
        "dead": sum(stands.dead.values()),
        "workers": [
            {
                "worker": holder.worker,
                "leased": holder.anchors,
                "since": _iso(holder.since),
                "until": _iso(holder.until),
            }
            for holder in stands.holders
        ],
        "next_try_at": _iso(stands.next_try_at),
        "reasons": dict(stands.dead),
    }


def _iso(moment: dt.datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="milliseconds")


def _peek(view: QueueView, most: int, *, as_json: bool) -> None:
    rows = []
    for place, (member, priority) in enumerate(view.waiting(most), 1):
        anchor, problem = None, ""
        try:
            anchor = sec_uid_of(member)
        except MemberError as error:
            problem = str(error)
        if as_json:
            answer = {"place": place, "member": shown(member), "sec_uid": anchor}
            sys.stdout.write(f"{json.dumps({**answer, 'priority': priority})}\n")
        text = shortened(shown(member[: _MEMBER_COLUMNS * 4]), _MEMBER_COLUMNS)
        number = "-" if priority is None else f"{priority:g}"
        rows.append((str(place), number, text, problem))
    if not as_json:
        heads = (" place", " priority", "member", "why it names no anchor")
        _write(table(heads, rows) if rows else ["Nothing waits."])


def _clear(view: QueueView, queue: str, opts: argparse.Namespace) -> None:
    if not opts.yes:
        stands = view.overview()
        _ask(
            f"Forget {stands.waiting:,} waiting and {stands.delayed:,} delayed anchors of {queue}?"
        )
    waiting, delayed = view.clear()
    if opts.json:
        answer = {"waiting": waiting, "delayed": delayed, "queue": queue}
        sys.stdout.write(f"{json.dumps(answer)}\n")
    else:
        sys.stdout.write(f"{waiting:,} waiting and {delayed:,} delayed forgotten ({queue})\n")


def _ask(question: str) -> None:
    """Return if a person at a terminal says yes; raise `UsageError` otherwise."""
    if sys.stdin is None or not sys.stdin.isatty():
        raise UsageError(f"{question} There is no terminal to answer from: say --yes")
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise RankspiderError("nothing is forgotten")


def _write(lines: list[str]) -> None:
    sys.stdout.writelines(f"{line}\n" for line in lines)
