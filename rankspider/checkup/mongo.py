"""MongoDB: can a run write to it, and what does an acknowledged write outlive?"""

import asyncio
import datetime as dt
import time
import uuid
from collections.abc import Iterator
from typing import Any

from pymongo import MongoClient, WriteConcern
from pymongo.collection import Collection
from pymongo.errors import OperationFailure, WriteConcernError, WTimeoutError

from rankspider.checkup.clock import ClockReading, agreement
from rankspider.checkup.finding import SERVER, SETTING, Finding, failed, ok, warning
from rankspider.checkup.secrets import Secrets
from rankspider.connections import mongo as server
from rankspider.connections.mongo_errors import is_away, remedy_of, words_of
from rankspider.errors import ConfigurationError, RankspiderError, ServiceUnavailable
from rankspider.lake import retention
from rankspider.lake.collections import TRIAL
from rankspider.lake.opening import try_out
from rankspider.lake.write import Write, update_of

_MAJORITY = WriteConcern(w="majority", j=True, wtimeout=5000)
_UNAUTHORIZED = 13
_CHANGE = "change how long documents are kept (collMod)"
_SCHEMA = {"bsonType": "object", "required": ["trial"]}
_EARLY, _LATE = (dt.datetime(2030, 1, day, tzinfo=dt.UTC) for day in (1, 2))


def _trial(first: dt.datetime, revision: str, last: dt.datetime, *, rank: int) -> Write:
    content = {"trial": first, "revision": revision}
    return Write(TRIAL, "doctor", content, {"first": first}, {"last": last}, rank)


# Two of one document, the older one last: its content is passed over, its bounds are not.
_TRIALS = (_trial(_LATE, "2", _EARLY, rank=2), _trial(_EARLY, "1", _LATE, rank=1))
_OUTCOME = {
    "_id": "doctor",
    "trial": _LATE,
    "revision": "2",
    "first": _EARLY,
    "last": _LATE,
    "best_rank": 1,
}


def look_at(uri: str, database: str, note: str | None, secrets: Secrets) -> Iterator[Finding]:
    """Look at the server. ``note`` says which embedded server it is, if it is one."""
    try:
        server.check(uri)
        with server.connect_blocking(uri, answers_within=server.WRITE_SECONDS) as client:
            yield from _looked_at(client, database, note, secrets)
        yield asyncio.run(_lake(uri, database, secrets))
    except ConfigurationError as error:
        yield failed(SETTING, "MongoDB", secrets.cleaned(str(error)))
    except ServiceUnavailable as error:
        yield failed(SERVER, "MongoDB", secrets.cleaned(str(error)))
    except Exception as error:
        if not is_away(error):
            raise
        what = f"it stopped answering ({secrets.cleaned(words_of(error))})"
        yield failed(SERVER, "MongoDB", what, remedy_of(error) or "see its log, and try again")


def _looked_at(
    client: MongoClient[dict[str, Any]], database: str, note: str | None, secrets: Secrets
) -> Iterator[Finding]:
    sent = time.time()
    hello = client.admin.command("hello")
    received = time.time()
    version = str(client.server_info()["version"])
    yield ok("MongoDB", f"version {version} answers{f': {note}' if note else ''}", version=version)
    yield durability(hello, embedded=note is not None, hidden=_hidden(client, hello))
    yield from _writable(client, database, secrets)
    if "localTime" in hello:
        reading = ClockReading(sent, received, hello["localTime"].timestamp())
        yield agreement("MongoDB", reading, "set both by NTP")


def durability(hello: dict[str, Any], *, embedded: bool, hidden: int = 0) -> Finding:
    """Return how durable writes are. ``hidden``: members that a server does not tell its clients
    of."""
    about = "MongoDB durability"
    if hello.get("msg") == "isdbgrid":
        what = "sharded: a write counts once a majority of its shard has it in the journal"
        return ok(about, what, kind="sharded")
    if "setName" not in hello:
        what = "a server that stands alone: writes outlive its crash, not the loss of its disk"
        if embedded:
            return ok(about, what, kind="standalone")
        return warning(about, what, "a replica set keeps copies", kind="standalone")
    arbiters = len(hello.get("arbiters", ()))
    members = len(hello.get("hosts", ())) + len(hello.get("passives", ())) + hidden
    facts = {"kind": "replica set", "members": members, "arbiters": arbiters, "hidden": hidden}
    name = f"replica set {hello['setName']}"
    if arbiters:
        left = max(1, members - (members + arbiters) // 2)
        what = (
            f"{name} of {members} members with data and {arbiters} arbiters: writes wait while"
            f" {left} of the former {'is' if left == 1 else 'are'} down"
        )
        return warning(about, what, "put a member that holds data in an arbiter's place", **facts)
    if members < 2:
        what = f"{name} of one member: writes outlive its crash, not the loss of its disk"
        return ok(about, what, **facts)
    what = f"{name} of {members} members: writes outlive the loss of less than half of them"
    if hidden:
        remedy = "a primary is never elected among them: count on the others"
        return warning(about, f"{what}; {hidden} of them hidden", remedy, **facts)
    return ok(about, what, **facts)


def _hidden(client: MongoClient[dict[str, Any]], hello: dict[str, Any]) -> int:
    """Return the number of hidden members; 0 as well where the user may not ask."""
    if "setName" not in hello:
        return 0
    try:
        config = client.admin.command("replSetGetConfig")["config"]
    except OperationFailure:
        return 0
    return sum(bool(member.get("hidden")) for member in config["members"])


def _writable(
    client: MongoClient[dict[str, Any]], database: str, secrets: Secrets
) -> Iterator[Finding]:
    about, doing = "MongoDB writable", ""
    lake = client.get_database(database, write_concern=_MAJORITY)
    trial = lake[f"{TRIAL}_{uuid.uuid4().hex}"]
    try:
        try:
            for step in _steps(trial):
                doing = step
            found = trial.find_one()
        finally:
            trial.drop()
    except (WTimeoutError, WriteConcernError):
        what = "a majority of the replica set did not acknowledge a write within 5 s"
        yield failed(SERVER, about, what, "see that its members run, with rs.status()")
    except OperationFailure as error:
        what = f"a trial could not {doing} in {database} ({secrets.cleaned(words_of(error))})"
        if doing == _CHANGE and error.code == _UNAUTHORIZED:
            remedy = "grant the user of MONGO_URI the role dbAdmin on the database"
            yield warning(about, what, f"for RANK_RETENTION and new validators, {remedy}")
        else:
            yield failed(SERVER, about, what, remedy_of(error) or "mend that in MongoDB")
    else:
        if found != _OUTCOME:
            what = "an update with a pipeline came to something else than MongoDB's"
            yield failed(SERVER, about, what, "name a MongoDB 5.0 or newer in MONGO_URI")
            return
        what = (
            "a collection with a validator, an index and a document, all a trial's own, were "
            f"acknowledged in {database} (w: majority, journal) and removed again"
        )
        yield ok(about, what)


def _steps(trial: Collection[dict[str, Any]]) -> Iterator[str]:
    """Do what a worker does that starts and stores, and tell each before it is done.

    The collection is empty while its index is made, so that no member that is down is waited for.
    """
    lake, name = trial.database, trial.name
    yield "make a collection with a validator"
    lake.command({"create": name, "validator": {"$jsonSchema": _SCHEMA}})
    yield "make an index by which documents expire"
    trial.create_index("trial", name=retention.INDEX, expireAfterSeconds=86_400)
    yield "write a document as a worker does"
    for write in _TRIALS:
        trial.update_one({"_id": write.id}, update_of(write, write.content), upsert=True)
    yield _CHANGE
    lake.command({"collMod": name, "index": {"name": retention.INDEX, "expireAfterSeconds": 3600}})


async def _lake(uri: str, database: str, secrets: Secrets) -> Finding:
    """Return whether workers can use the collections that are there."""
    about = "MongoDB lake"
    try:
        async with server.connect(uri) as client:
            await try_out(client[database])
    except OperationFailure as error:
        what = f"a worker could not write to {database} ({secrets.cleaned(words_of(error))})"
        return failed(SERVER, about, what, remedy_of(error) or "mend that in MongoDB")
    except RankspiderError as error:
        return failed(error.exit_code, about, secrets.cleaned(str(error)))
    return ok(about, f"nothing in {database} keeps a worker from its collections")
