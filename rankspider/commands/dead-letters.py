"""``scrapy dead-letters``: anchors that were given up, and what to do with them."""  # noqa: N999
# Scrapy names a command by its module, hence the hyphen in the file's name.

import argparse
import datetime as dt
import json
import sys
import time
from typing import Any

from scrapy.exceptions import UsageError

from rankspider.command import RankCommand
from rankspider.configuration import Configuration
from rankspider.connections.redis import REDIS_ERRORS, connect_blocking, unavailable
from rankspider.connections.redis_keys import Keys
from rankspider.endpoint.sec_uid import sec_uid_of
from rankspider.errors import MemberError, RankspiderError
from rankspider.queue.dead_letters import DeadLetter, DeadLetters, LetterFilter, shown
from rankspider.queue.overview import QueueView
from rankspider.secrecy import discreet
from rankspider.servers import reachable_servers
from rankspider.terminal import remark, shortened, table

_MEMBER_COLUMNS = 160
_MINUTE, _HOUR, _DAY = 60, 3600, 86400


class Command(RankCommand):
    name = "dead-letters"
    synopsis = "[list | requeue | drop] [anchor ...] [options]"
    summary = "Show, requeue or drop the anchors that were given up"
    description = (
        "Show the anchors of the queue RANK_QUEUE_KEY that were given up, and why; 'requeue' puts "
        "them back on the queue, as if never tried, and 'drop' forgets them. Which ones: those "
        "named, by sec_id or as the list shows them, those of one --reason, or --all. Examples: "
        "'scrapy dead-letters', 'scrapy dead-letters requeue --reason network' once what "
        "was wrong is mended, 'scrapy dead-letters drop MS4wLjABAAAA...', 'scrapy dead-letters "
        "--json' for one object a line. Exit codes: 0 done, 1 one that was named is no dead "
        "letter, 3 Redis cannot be reached."
    )

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        super().add_options(parser)
        group = parser.add_argument_group(title="Which ones, and how they are shown")
        group.add_argument("--reason", metavar="R", help="those given up for reason R")
        group.add_argument("--all", action="store_true", help="all of them, to requeue or drop")
        group.add_argument("--json", action="store_true", help="write JSON, one object a line")

    def execute(self, args: list[str], opts: argparse.Namespace) -> int:
        action, names = _understood(args, opts)
        configuration = Configuration.read(self.project_settings)
        selection = LetterFilter(names, opts.reason)
        with (
            reachable_servers(self.project_settings, configuration, mongo=False),
            connect_blocking(self.project_settings) as client,
        ):
            letters = DeadLetters(client, Keys.of(configuration.queue_key))
            try:
                count = _do(action, letters, selection, configuration.queue_key, as_json=opts.json)
                if opts.reason is not None and not count:
                    _print_reasons(QueueView(client, Keys.of(configuration.queue_key)))
            except REDIS_ERRORS as error:
                raise unavailable(error) from None
        if selection.missing:
            raise RankspiderError(f"no such dead letter: {', '.join(selection.missing)}")
        return 0


def _understood(args: list[str], opts: argparse.Namespace) -> tuple[str, list[str]]:
    action, *names = args or ["list"]
    if action not in _DONE:
        raise UsageError(f"the first word must be list, requeue or drop, not {action}")
    for name in names:
        if name.startswith("--"):
            raise UsageError(f"not understood: {name}")
    chosen = bool(names) or opts.reason is not None
    if opts.all and chosen:
        raise UsageError("--all leaves no choice: leave it out, or the anchors and --reason")
    if action != "list" and not (opts.all or chosen):
        raise UsageError(f"which ones? Name anchors, or give --reason R or --all, to {action}")
    return action, names


_DONE = {"list": "listed", "requeue": "requeued", "drop": "dropped"}


def _do(
    action: str, letters: DeadLetters, selection: LetterFilter, queue: str, *, as_json: bool
) -> int:
    count = 0
    for batch in letters.batches(selection):
        if action == "list":
            _show(batch, as_json=as_json)
            count += len(batch)
        else:
            count += letters.requeue(batch) if action == "requeue" else letters.drop(batch)
    if not as_json:
        sys.stdout.write(f"{count:,} dead letters {_DONE[action]} ({queue})\n")
    elif action != "list":
        sys.stdout.write(f"{json.dumps({_DONE[action]: count, 'queue': queue})}\n")
    return count


def _print_reasons(view: QueueView) -> None:
    """Tell which reasons there are, when no letter has that of --reason."""
    dead = view.overview().dead
    if dead:
        remark(f"The reasons of the dead letters are {', '.join(dead)}")


def _show(letters: list[DeadLetter], *, as_json: bool) -> None:
    if as_json:
        sys.stdout.writelines(f"{json.dumps(_object(letter))}\n" for letter in letters)
        return
    heads = (" age", " tries", "reason", "anchor", "error")
    rows = [
        (
            _age(letter),
            str(letter.tries),
            letter.reason,
            shortened(shown(letter.member[: _MEMBER_COLUMNS * 4]), _MEMBER_COLUMNS),
            discreet(letter.error),
        )
        for letter in letters
    ]
    sys.stdout.writelines(f"{line}\n" for line in table(heads, rows))


def _object(letter: DeadLetter) -> dict[str, Any]:
    try:
        sec_id = sec_uid_of(letter.member)
    except MemberError:
        sec_id = None
    return {
        "member": shown(letter.member),
        "sec_id": sec_id,
        "reason": letter.reason,
        "error": discreet(letter.error),
        "tries": letter.tries,
        "first_at": _iso(letter.first_at),
        "died_at": _iso(letter.died_at),
        "age_seconds": round(_seconds_since(letter.died_at)),
    }


def _iso(seconds: float) -> str:
    return dt.datetime.fromtimestamp(seconds, dt.UTC).isoformat(timespec="milliseconds")


def _seconds_since(then: float) -> float:
    """Return the seconds since ``then``, at least 0: Redis's clock, which made it, may be ahead of
    this one."""
    return max(0.0, time.time() - then)


def _age(letter: DeadLetter) -> str:
    seconds = _seconds_since(letter.died_at)
    for unit, length in (("d", _DAY), ("h", _HOUR), ("min", _MINUTE)):
        if seconds >= length:
            return f"{seconds // length:.0f} {unit}"
    return f"{seconds:.0f} s"
