"""``scrapy enqueue``: anchors from files, a pipe or the command line onto the queue."""

import argparse
import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from redis.exceptions import ResponseError
from scrapy.exceptions import UsageError

from rankspider.command import RankCommand
from rankspider.configuration import Configuration
from rankspider.connections.redis import REDIS_ERRORS, connect_blocking, unavailable
from rankspider.errors import ConfigurationError, ServiceUnavailable
from rankspider.queue.enqueue_report import EnqueueReport
from rankspider.queue.producer import KINDS, REMEMBERED, Producer
from rankspider.queue.sources import Source, batches_of, sources_of
from rankspider.servers import reachable_servers
from rankspider.terminal import remark

_SOME_REFUSED = 2


class Command(RankCommand):
    name = "enqueue"
    synopsis = "[anchor | -] ... [--file FILE] ... [options]"
    summary = "Put anchors on the queue"
    description = (
        "Put anchors on the queue RANK_QUEUE_KEY: those named here, those in files, and with '-' "
        "those from standard input, which is read too when nothing else is named. "
        "One a line: a sec_uid (MS4wLjABAAAA...) or a profile link, also within other text, or "
        'JSON that has it: {"sec_uid": "..."}, or scrapy-redis\'s {"url": "..."}. A file may be a '
        "table (CSV, tabs or semicolons) with a head, read by --column or by the one column that "
        "names anchors, or a JSON list. Blank lines and lines that begin with # are skipped, and "
        "each anchor is queued as its bare sec_uid. Examples: 'scrapy enqueue MS4wLjABAAAA...', "
        "'scrapy enqueue --file anchors.csv --column sec_uid', 'cat *.txt | scrapy enqueue "
        "--priority 5'. Every anchor that is read is queued, repeated or refused. Repeated counts, "
        "in a set or a "
        f"zset, anchors that wait already; in a list, those among the last {REMEMBERED:,} of this "
        "input: such are queued once, while a list keeps repeats that lie further apart. Exit "
        "codes: 0 all are queued, 2 some lines were refused and the rest is queued, 3 Redis cannot "
        "be reached."
    )

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        super().add_options(parser)
        group = parser.add_argument_group(title="What is queued, and how")
        group.add_argument(
            "--file",
            action="append",
            default=[],
            metavar="FILE",
            help="read anchors from FILE (may be repeated)",
        )
        group.add_argument(
            "--column",
            metavar="NAME",
            help="of tables the column to read, by its head or its number from 1; of JSON objects "
            "the name to read",
        )
        group.add_argument(
            "--as",
            dest="kind",
            choices=KINDS,
            help="make the queue a list (first in, first out), a set (any order) or a zset "
            "(highest priority first); what it is already, or else a list",
        )
        group.add_argument(
            "--priority",
            type=float,
            metavar="N",
            help="higher goes first; it implies --as zset, where an anchor that waits already "
            "gets this priority (without it: 0, and what waits keeps its own)",
        )
        group.add_argument("--json", action="store_true", help="write the counts as JSON")

    def execute(self, args: list[str], opts: argparse.Namespace) -> int:
        kind = _kind(opts)
        configuration = Configuration.read(self.project_settings)
        with ExitStack() as stack:
            sources = sources_of(self.name, args, opts.file, stack)
            servers = stack.enter_context(
                reachable_servers(self.project_settings, configuration, mongo=False)
            )
            if servers.redis_note is not None:
                remark(servers.redis_note)
            client = stack.enter_context(connect_blocking(self.project_settings))
            tally = EnqueueReport()
            with _redis_may_fail(tally):
                producer = Producer(client, configuration.queue_key, kind, opts.priority)
            try:
                with _redis_may_fail(tally):
                    _queue(producer, sources, opts.column, tally)
            finally:
                tally.end(configuration.queue_key, producer.kind, as_json=opts.json)
        return _SOME_REFUSED if tally.refused else 0


def _kind(opts: argparse.Namespace) -> str | None:
    kind: str | None = opts.kind
    if opts.priority is None:
        return kind
    if not math.isfinite(opts.priority):
        raise UsageError(f"--priority must be a number, not {opts.priority}")
    if kind not in (None, "zset"):
        raise UsageError(f"--priority needs --as zset: a {kind} has no priorities")
    return "zset"


def _queue(
    producer: Producer, sources: list[Source], column: str | None, tally: EnqueueReport
) -> None:
    try:
        for name, batch in batches_of(sources, column, lambda: tally.certain):
            tally.add(name, batch, repeated=producer.put(batch.anchors))
    except KeyboardInterrupt:
        remark(f"interrupted: {tally.certain}")
        raise


@contextmanager
def _redis_may_fail(tally: EnqueueReport) -> Iterator[None]:
    try:
        yield
    except REDIS_ERRORS as error:
        if isinstance(error, ResponseError) and str(error).startswith("WRONGTYPE"):
            raise ConfigurationError(
                "RANK_QUEUE_KEY: the queue has become one of another kind meanwhile; "
                f"{tally.certain}: run it again for the rest"
            ) from None
        # Queued twice does no harm, so what was on its way may be sent again.
        raise ServiceUnavailable(f"{unavailable(error)}; {tally.certain}") from None
