"""``scrapy watch``: which anchors are asked again and again, how often, and what that costs."""

import argparse
import asyncio
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any

import msgspec
from scrapy.exceptions import UsageError

from rankspider.command import RankCommand
from rankspider.configuration import Configuration
from rankspider.connections import mongo
from rankspider.connections.redis import REDIS_ERRORS, connect_blocking, unavailable
from rankspider.connections.redis_keys import Keys
from rankspider.endpoint.sec_uid import sec_uid_of
from rankspider.errors import MemberError
from rankspider.lake.collections import Document
from rankspider.lake.opening import open_lake
from rankspider.moments import moment_text
from rankspider.questions.command import add_forms, check_forms, write
from rankspider.questions.people import nicknames_of_keys, the_anchor
from rankspider.queue.anchor_queue import MOST_AT_ONCE
from rankspider.queue.enqueue_report import EnqueueReport
from rankspider.queue.sources import batches_of, member_of, sources_of
from rankspider.report import Report
from rankspider.servers import reachable_servers
from rankspider.terminal import harmless, remark, shortened
from rankspider.watch.exchange import Imported, line_of, read_lines
from rankspider.watch.plan import Plan, PlanRow
from rankspider.watch.savings import saved, saved_text
from rankspider.watch.standing import STATES, WatchedAnchor, row_of, standing
from rankspider.watch.terms import AT_MOST, EVERY, Terms, TermsError, duration_text, seconds_in
from rankspider.watch.turns import Turns
from rankspider.watch.watch_list import Changes, WatchList

_SOME_REFUSED = 2
_CHOOSING = ("add", "remove", "pause", "resume", "import")
# Each option, and the actions that it is of.
_OPTIONS: Mapping[str, tuple[str, ...]] = {
    "every": ("add", "plan"),
    "at_most": ("add", "plan"),
    "steady": ("add",),
    "label": ("add", "remove", "pause", "resume", "list", "export"),
    "file": _CHOOSING,
    "column": ("add", "remove", "pause", "resume"),
    "add": ("plan",),
    "state": ("list",),
    "limit": ("list",),
    "csv": ("list", "plan"),
}
_ACTIONS = ("add", "remove", "pause", "resume", "list", "plan", "export", "import")


class Command(RankCommand):
    name = "watch"
    synopsis = f"{' | '.join(_ACTIONS)} [ANCHOR | -] ... [options]"
    summary = "Watch anchors: ask them again and again, and see what that costs"
    description = (
        "The watch list of the queue RANK_QUEUE_KEY: anchors that the workers ask by themselves, "
        "each at its turns. 'add' puts anchors on it, or changes how often they are asked; "
        "'remove' takes them off, 'pause' and 'resume' do so for a time: without an anchor or a "
        "label, with the whole list. Anchors are named here, as 'scrapy trend' takes them, or come "
        "from files and pipes, as 'scrapy enqueue' reads them. 'list' shows how each stands, "
        "'plan' how many calls an hour and a day that is, and what they cost by "
        "RANK_PRICE_PER_CALL; with --add, if so many more were watched. 'export' writes it as JSON "
        "Lines, which 'import' reads. Examples: 'scrapy watch add MS4wLjABAAAA... --every 5m', "
        "'scrapy watch add --file a.csv --label shoes --at-most 1h', 'scrapy watch plan --add 5000 "
        "--every 5m', 'scrapy watch pause --label shoes', 'scrapy watch list --state gone'. Exit "
        "codes: 0 done, 1 the lake knows no such name, 2 wrong usage, or some lines were refused "
        "and the rest is done, 3 a server cannot be reached."
    )

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        super().add_options(parser)
        group = parser.add_argument_group(title="Which anchors")
        add = group.add_argument
        add("--file", action="append", default=[], metavar="FILE", help="read anchors from FILE")
        add("--column", metavar="NAME", help="of tables and JSON, as 'scrapy enqueue' takes it")
        add("--label", metavar="L", help="add: give them this label; otherwise: those that have it")
        add("--state", choices=STATES, help="list: those in this state")
        add("--limit", type=int, metavar="N", help="list: the first N")
        group = parser.add_argument_group(title="How often", description="D is 90s, 10m, 2h or 1d.")
        add = group.add_argument
        add("--every", metavar="D", help=f"while it is on the air ({duration_text(EVERY)})")
        add("--at-most", metavar="D", help=f"off the air, after a while ({duration_text(AT_MOST)})")
        add(
            "--steady",
            action=argparse.BooleanOptionalAction,
            help="ask every D whatever is known, also while the list tells of it",
        )
        add("--add", type=int, metavar="N", help="plan: as if N anchors more were watched")
        add_forms(parser.add_argument_group(title="How it is written"), "JSON, one object a line")

    def execute(self, args: list[str], opts: argparse.Namespace) -> int:
        check_forms(opts)
        action, names = _understood(args, opts)
        terms = _terms(opts)
        configuration = Configuration.read(self.project_settings)
        with ExitStack() as stack:
            watching = stack.enter_context(_opened(self.project_settings, configuration))
            run = _Run(action, watching, names, terms, opts, configuration, stack)
            return int(getattr(run, action.replace("import", "import_"))())


def _understood(args: list[str], opts: argparse.Namespace) -> tuple[str, list[str]]:
    if not args or args[0] not in _ACTIONS:
        raise UsageError(f"choose one of {', '.join(_ACTIONS)}")
    action, *names = args
    for option, actions in _OPTIONS.items():
        if action not in actions and getattr(opts, option) not in (None, False, []):
            name = "--" + option.replace("_", "-")
            raise UsageError(f"{name} is an option of 'scrapy watch {'|'.join(actions)}'")
    if names and action not in _CHOOSING:
        raise UsageError(f"scrapy watch {action} names no anchors: {' '.join(names)}")
    for option in ("limit", "add"):
        if getattr(opts, option) is not None and getattr(opts, option) < 1:
            raise UsageError(f"--{option} must be 1 or more")
    if opts.add is None and action == "plan" and (opts.every or opts.at_most):
        raise UsageError("--every and --at-most are of the anchors of --add")
    return action, names


def _terms(opts: argparse.Namespace) -> Terms:
    every = None if opts.every is None else seconds_in(opts.every, "--every")
    at_most = None if opts.at_most is None else seconds_in(opts.at_most, "--at-most")
    return Terms(every, at_most, opts.steady, opts.label)


@dataclass(frozen=True, slots=True)
class _Watching:
    database: Any
    watch_list: WatchList


@contextmanager
def _opened(settings: Any, configuration: Configuration) -> Iterator[_Watching]:
    with reachable_servers(settings, configuration):
        uri, name, key = (
            settings["MONGO_URI"],
            configuration.mongo_database,
            configuration.queue_key,
        )
        try:
            with (
                mongo.answering(),
                connect_blocking(settings) as redis,
                mongo.connect_blocking(uri, answers_within=mongo.WRITE_SECONDS) as client,
            ):
                asyncio.run(_bring_up(uri, configuration))
                turns = Turns(redis, Keys.of(key))
                yield _Watching(client[name], WatchList(client[name], turns, key))
        except REDIS_ERRORS as error:
            raise unavailable(error) from None


async def _bring_up(uri: str, configuration: Configuration) -> None:
    async with mongo.connect(uri, answers_within=mongo.LONG_SECONDS) as client:
        await open_lake(client[configuration.mongo_database], configuration.retention)


@dataclass(frozen=True, slots=True)
class _Run:
    """One run of the command; each method is an action, and returns the exit code."""

    action: str
    watching: _Watching
    names: list[str]
    terms: Terms
    options: argparse.Namespace
    configuration: Configuration
    stack: ExitStack

    @property
    def _list(self) -> WatchList:
        return self.watching.watch_list

    # Changes

    def add(self) -> int:
        changes, report = Changes(), EnqueueReport(done="watched")
        for sec_uids in self._read(report):
            changes += self._list.add(dict.fromkeys(sec_uids, self.terms))
        return self._print_changes(changes, report)

    def _print_changes(self, changes: Changes, report: EnqueueReport) -> int:
        counts = {
            "added": changes.new,
            "changed": changes.changed,
            "unchanged": changes.unchanged,
            "refused": report.refused,
        }
        self._print_counts(counts, report)
        if not self.options.json and changes.new:
            most = self._plan().total.most_per_hour
            remark(f"All of it takes at most {most:,.0f} calls an hour: see 'scrapy watch plan'")
        return _SOME_REFUSED if report.refused else 0

    def remove(self) -> int:
        return self._choose("removed", self._list.remove)

    def pause(self) -> int:
        return self._pause("paused", is_paused=True)

    def resume(self) -> int:
        return self._pause("resumed", is_paused=False)

    def _pause(self, done: str, *, is_paused: bool) -> int:
        if self.names or self.options.file or self.options.label is not None:
            return self._choose(done, lambda some: self._list.pause(some, is_paused=is_paused))
        self._list.pause_all(is_paused=is_paused)
        self._print_counts({done: len(self._list)}, EnqueueReport())
        return 0

    def _choose(self, done: str, act: Any) -> int:
        report, count, others = EnqueueReport(done=done), 0, 0
        for some in self._chosen(report):
            changed = act(some)
            count, others = count + changed, others + len(some) - changed
        self._print_counts({done: count, "unchanged": others, "refused": report.refused}, report)
        return _SOME_REFUSED if report.refused else 0

    def _chosen(self, report: EnqueueReport) -> Iterator[list[str]]:
        if self.options.label is None:
            yield from self._read(report)
            return
        if self.names or self.options.file:
            raise UsageError("name anchors, or say which with --label, not both")
        documents = self._documents()
        while some := [document["sec_uid"] for document in islice(documents, MOST_AT_ONCE)]:
            yield some

    def _read(self, report: EnqueueReport) -> Iterator[list[str]]:
        names = [name if name == "-" else self._key_of(name) for name in self.names]
        sources = sources_of(f"watch {self.action}", names, self.options.file, self.stack)
        for name, batch in batches_of(sources, self.options.column, lambda: report.certain):
            sec_uids = list(dict.fromkeys(batch.anchors))
            yield sec_uids
            report.add(name, batch, len(batch.anchors) - len(sec_uids))

    def _key_of(self, name: str) -> str:
        """Return the ``sec_uid`` of the anchor that ``name`` names."""
        if name.startswith("-"):
            raise UsageError(f"not understood: {name}")
        try:
            return sec_uid_of(member_of(name))
        except MemberError:
            person = the_anchor(self.watching.database, name)
        if person.until is not None:
            until = moment_text(person.until, self.configuration.timezone)
            called = f"{person.label} (user_id {person.user_id})"
            remark(f"{shortened(harmless(name), 40)} is what {called} was called until {until}")
        return person.sec_uid

    def _print_counts(self, counts: dict[str, int], report: EnqueueReport) -> None:
        report.end_complaints()
        queue = self.configuration.queue_key
        if self.options.json:
            sys.stdout.write(f"{msgspec.json.encode({**counts, 'queue': queue}).decode()}\n")
        else:
            text = ", ".join(f"{count:,} {done}" for done, count in counts.items())
            sys.stdout.write(f"{text} (watch list of {queue})\n")

    # Answers

    def _documents(self) -> Iterator[Document]:
        label = self.options.label
        return (each for each in self._list if label is None or each["label"] == label)

    def _plan(self) -> Plan:
        of = self.configuration
        plan = Plan(of.price_per_call, of.list_every, of.close_margin > 0)
        for each in standing(self._list, self._list.turns):
            plan.count(*each)
        return plan

    def plan(self) -> int:
        plan = self._plan()
        if self.options.add is not None:
            every = self.terms.every or EVERY
            plan.count_new(self.options.add, every, self.terms.at_most or max(AT_MOST, every))
        notes = ["All of it is paused: 'scrapy watch resume'."] if self._list.is_paused else []
        if not self.configuration.price_per_call:
            notes.append("RANK_PRICE_PER_CALL says what a call costs.")
        notes.append(saved_text(saved(self.watching.database, self._list)))
        self._write("What it costs", PlanRow, [*plan.rows()], notes)
        return 0

    def list(self) -> int:
        found = standing(self._documents(), self._list.turns)
        chosen = (each for each in found if self.options.state in (None, each[2]))
        shown = [*islice(chosen, self.options.limit)]
        keys = [document["sec_uid"] for document, _, _ in shown]
        names = nicknames_of_keys(self.watching.database, keys)
        rows = [row_of(*each, names.get(key, "")) for each, key in zip(shown, keys, strict=True)]
        self._write("Anchors", WatchedAnchor, rows)
        return 0

    def _write(self, head: str, row: type, rows: Sequence[Any], notes: Sequence[str] = ()) -> None:
        head = f"{head}: the watch list of {self.configuration.queue_key}"
        write(Report(head, row, rows, notes), self.options, self.configuration.timezone)

    # Export and import

    def export(self) -> int:
        sys.stdout.writelines(map(line_of, self._documents()))
        return 0

    def import_(self) -> int:
        if any(name != "-" for name in self.names):
            raise UsageError("import reads files: --file FILE, or standard input")
        report, changes = EnqueueReport(done="watched"), Changes()
        for name, file in sources_of("watch import", self.names, self.options.file, self.stack):
            try:
                changes += self._import(read_lines(file))
            except TermsError as error:
                raise TermsError(f"{name}: {error}") from None
        return self._print_changes(changes, report)

    def _import(self, lines: Iterator[Imported]) -> Changes:
        changes = Changes()
        while some := [*islice(lines, MOST_AT_ONCE)]:
            changes += self._list.add({each.sec_uid: each.terms for each in some})
            for is_paused in (False, True):
                keys = [each.sec_uid for each in some if each.paused == is_paused]
                self._list.pause(keys, is_paused=is_paused)
        return changes
