"""What the documentation says of names, defaults and codes, beside what the code has."""

import ast
import asyncio
import datetime as dt
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import pytest

import rankspider
from rankspider import commands, errors, settings
from rankspider.archive.answers import AnswerToArchive
from rankspider.archive.keeping import Archive
from rankspider.commands import board, crawl
from rankspider.connections.redis_keys import Keys
from rankspider.endpoint import checks, failure
from rankspider.environment import project
from rankspider.export.tables import REST, TABLES
from rankspider.items import LIST_FIELDS, RankedList
from rankspider.lake import collections
from rankspider.lake.write import Write
from rankspider.questions.command import QuestionCommand
from rankspider.simulator.failures import FAILURES
from tests.support.documentation import code, examples, read, rows, section
from tests.support.project import ROOT

PACKAGE = Path(rankspider.__file__).parent
LAKE = read("lake.md")
OPERATIONS = read("operations.md")


def first_cells(text: str) -> list[str]:
    """All that stands in backquotes in the first cells of the tables."""
    return [name for row in rows(text) for name in code(row[0])]


# --- Settings ------------------------------------------------------------------------------


def test_settings_and_their_defaults() -> None:
    """Where the code has no default, the documentation has none, or says what serves instead."""
    said = {code(row[0])[0]: row[1].strip("`") for row in rows(read("settings.md"))}
    own = {name for name in vars(settings) if re.match(r"RANK_|REDIS_URL|MONGO_", name)}
    assert said.keys() == own | {"CONCURRENT_REQUESTS", "LOG_LEVEL"}
    for name, default in said.items():
        known = project.defaults[name]
        if known is not None:
            assert default == known, name
        elif name in ("CONCURRENT_REQUESTS", "LOG_LEVEL"):
            assert default == str(getattr(settings, name))
        else:
            assert default in ("", "embedded") or name == "MONGO_DATABASE"


def test_no_document_names_a_setting_that_is_none() -> None:
    known = {name for name in vars(settings) if name.startswith("RANK_")}
    misspelt = {"RANK_LEASE_SECOND"}  # the example of scrapy doctor
    files = [ROOT / "README.md", ROOT / "README.zh-CN.md", *sorted((ROOT / "docs").glob("*.md"))]
    named = {name for path in files for name in re.findall(r"\bRANK_[A-Z_]+", path.read_text())}
    assert named - misspelt <= known


# --- Stats ---------------------------------------------------------------------------------


def patterns_in_code() -> set[str]:
    """Each stat that the code counts, with ``*`` for what it puts in."""
    found = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            found.update(_pattern(node))
    return found


def _pattern(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Call(func=ast.Attribute(attr="inc_value" | "set_value" | "_inc"), args=[name, *_]):
            match name:
                case ast.Constant(value=str(text)) if text.startswith("rank/"):
                    yield text
                case ast.JoinedStr(values=parts):
                    text = "".join(
                        str(part.value) if isinstance(part, ast.Constant) else "*" for part in parts
                    )
                    if text.startswith("rank/"):
                        yield text


def test_every_stat() -> None:
    said = {
        re.sub(r"KIND|NAME|STATE|WHY", "*", name)
        for name in first_cells(section(OPERATIONS, "## Stats"))
    }
    counted = patterns_in_code()
    assert "rank/*/*" in counted, "the outcomes below are of that one"
    outcomes = {f"rank/*/{outcome}" for outcome in ("unchanged", "duplicate")}
    assert said == (counted - {"rank/*/*"}) | outcomes


# --- Exit codes ----------------------------------------------------------------------------


def test_every_exit_code() -> None:
    said = {int(row[0]) for row in rows(section(OPERATIONS, "## Exit codes"))}
    ours = {
        each.exit_code
        for each in vars(errors).values()
        if isinstance(each, type) and issubclass(each, errors.RankspiderError)
    }
    of_crawl = {0, crawl._QUEUE_LOST, crawl.INTERRUPTED, *crawl._EXIT_CODES.values(), *ours}
    assert said == of_crawl


# --- Questions -----------------------------------------------------------------------------


def test_every_question_is_in_the_table() -> None:
    table = section(read("questions.md"), "## The commands")
    modules = (f"rankspider.commands.{each.name}" for each in iter_modules(commands.__path__))
    asking = [
        each.Command
        for each in map(import_module, modules)
        if issubclass(each.Command, QuestionCommand) or each.Command is board.Command
    ]
    assert {name.split(" ")[1] for name in first_cells(table)} == {each.name for each in asking}


def test_the_indexes_that_questions_use() -> None:
    table = section(read("questions.md"), "## The commands")
    there = {
        f"{collection}.{index.document['name']}"
        for collection, indexes in collections.INDEXES.items()
        for index in indexes
    }
    named = [name for row in rows(table) for name in code(row[2])]
    seen = code(table.rpartition("*seen*:")[2].partition("\n\n")[0])
    indexes = {name for name in (*named, *seen) if re.fullmatch(r"[a-z_]+\.[a-z_]+", name)}
    assert {name for name in indexes if not name.endswith("._id_")} <= there


# --- Fields --------------------------------------------------------------------------------


@pytest.mark.parametrize("collection", sorted(TABLES))
def test_every_field(collection: str) -> None:
    said = first_cells(section(LAKE, f"## `{collection}`"))
    flat = {f"list_{name}": "list" for name in LIST_FIELDS}
    stored = {flat.get(column.name, column.name) for column in TABLES[collection].columns}
    assert sorted(said) == sorted(stored - {"_id", REST})


def test_every_collection() -> None:
    said = first_cells(LAKE.partition("## Open it")[0])
    others = {collections.META, collections.WATCHED, *collections.OF_THE_ARCHIVE}
    assert set(said) == TABLES.keys() | others


def test_collections_to_shard() -> None:
    [shell] = examples(section(read("mongodb.md"), "## Sharding"), "js")
    assert set(re.findall(r'"(\w+)"[],]', shell.text)) == TABLES.keys()


def test_every_field_of_the_archive() -> None:
    """Taken from what the archive itself writes for a list."""
    written: list[Write] = []

    async def write(each: Write) -> None:
        written.append(each)

    hour = dt.datetime(2026, 1, 31, 11, tzinfo=dt.UTC)
    ranked_list = RankedList("热度", "全站", "小时榜", "", "", hour)
    answer = AnswerToArchive(b'{"data": {}}', None, hour, ranked_list=ranked_list)
    asyncio.run(Archive(write, 30).keep(answer))
    base, kept = written
    text = section(read("archive.md"), "## Its collections")
    assert set(first_cells(text)) == fields_of(kept)
    assert set(code(text.split("`archive_bases` has")[1].split(".")[0])) == fields_of(base)


def fields_of(write: Write) -> set[str]:
    return {*write.content, *write.least, *write.most}


def test_what_counts_for_retention_and_for_files() -> None:
    ages = time_by_collection(section(LAKE, "## Retention"))
    assert ages.pop("sightings") == "snapshots", "kept as long as those"
    assert ages == collections.DATED
    hours = time_by_collection(read("export.md").partition("## Columns")[0])
    assert hours == {name: table.time for name, table in TABLES.items()}


def time_by_collection(text: str) -> dict[str, str]:
    return {name: code(row[1])[0] for row in rows(text) for name in code(row[0])}


# --- The queue -----------------------------------------------------------------------------


def test_every_redis_key() -> None:
    said = first_cells(section(read("queue.md"), "## Redis keys"))
    keys = Keys.of("goods_rank:anchors")
    stems = {name.removesuffix(":LAKE:2:HOUR") for name in said}
    assert stems == {getattr(keys, name) for name in keys.__slots__} - {keys.queue}


# --- The endpoint --------------------------------------------------------------------------


def test_every_failure() -> None:
    said = set(first_cells(section(read("endpoint.md"), "## Failures").partition("### Tries")[0]))
    tables = [*failure._PLATFORM.values(), *failure._HTTP.values()]
    named = {name for _, name in tables} | {name for _, _, name in failure._MEANINGS}
    source = (PACKAGE / "endpoint" / "failure.py").read_text()
    made = set(re.findall(r'Failure\(Verdict\.\w+, "([a-z-]+)"', source))
    others = {"server-error", "unexpected-status", "vendor-busy", "refused", "unknown-status"}
    assert all(f'"{name}"' in source for name in others)
    assert said == named | made | others


def test_every_other_reason_of_a_dead_letter() -> None:
    said = set(first_cells(section(read("queue.md"), "## Dead letters")))
    sources = [*PACKAGE.rglob("*.py"), *PACKAGE.rglob("*.lua")]
    given = {
        name
        for path in sources
        for name in re.findall(
            r"""(?:\.fail\("|bury\(member, record, ')([a-z-]+)""", path.read_text()
        )
    }
    assert said == given


def test_every_flag() -> None:
    constants = {
        value for name, value in vars(checks).items() if name.isupper() and isinstance(value, str)
    }
    assert set(first_cells(section(LAKE, "## Flags"))) == constants


def test_simulated_failures_that_are_named() -> None:
    texts = [read(name) for name in ("endpoint.md", "operations.md", "tutorial.md")]
    token = re.compile(r"(?<![-\w])fail-(?:once-)?([a-z][a-z0-9-]*)")
    anchor = re.compile(r"MS4wLjABAAAAfail-([a-z0-9-]+?)-0+1")
    named = {name for text in texts for each in (token, anchor) for name in each.findall(text)}
    assert named <= FAILURES.keys()
    assert len(named) > 2
