"""MongoDB: can a run write to it, and what does an acknowledged write outlive?"""

import time
import uuid
from collections.abc import Iterator
from typing import Any

from pymongo import MongoClient, WriteConcern
from pymongo.errors import OperationFailure, PyMongoError, WriteConcernError, WTimeoutError

from rankspider.checkup.clock import Reading, agreement
from rankspider.checkup.finding import SERVER, SETTING, Finding, failed, ok, warning
from rankspider.checkup.secrets import Secrets
from rankspider.connections import mongo as lake
from rankspider.errors import ConfigurationError, ServiceUnavailable
from rankspider.lake.collections import TRIAL

_MAJORITY = WriteConcern(w="majority", j=True, wtimeout=5000)
_UNAUTHORIZED = 13


def look_at(uri: str, database: str, note: str | None, secrets: Secrets) -> Iterator[Finding]:
    """``note`` says which embedded server it is, if it is one."""
    try:
        lake.check(uri)
        with lake.connect_blocking(uri, answers_within=lake.WRITE_SECONDS) as client:
            yield from _looked_at(client, database, note, secrets)
    except ConfigurationError as error:
        yield failed(SETTING, "MongoDB", secrets.cleaned(str(error)))
    except ServiceUnavailable as error:
        yield failed(SERVER, "MongoDB", secrets.cleaned(str(error)))
    except PyMongoError as error:
        what = f"it stopped answering ({type(error).__name__})"
        yield failed(SERVER, "MongoDB", what, "see its log, and try again")


def _looked_at(
    client: MongoClient[dict[str, Any]], database: str, note: str | None, secrets: Secrets
) -> Iterator[Finding]:
    sent = time.time()
    hello = client.admin.command("hello")
    received = time.time()
    version = str(client.server_info()["version"])
    yield ok("MongoDB", f"version {version} answers{f': {note}' if note else ''}", version=version)
    yield durability(hello, embedded=note is not None)
    yield _writable(client, database, secrets)
    reading = Reading(sent, received, hello["localTime"].timestamp())
    yield agreement("MongoDB", reading, "set both by NTP")


def durability(hello: dict[str, Any], *, embedded: bool) -> Finding:
    about = "MongoDB durability"
    if hello.get("msg") == "isdbgrid":
        what = "sharded: a write counts once a majority of its shard has it in the journal"
        return ok(about, what, kind="sharded")
    members = len(hello.get("hosts", ())) + len(hello.get("passives", ()))
    if "setName" not in hello:
        what = "a server that stands alone: writes outlive its crash, not the loss of its disk"
        if embedded:
            return ok(about, what, kind="standalone")
        return warning(about, what, "a replica set keeps copies", kind="standalone")
    name = f"replica set {hello['setName']}"
    if members < 2:
        what = f"{name} of one member: writes outlive its crash, not the loss of its disk"
    else:
        what = f"{name} of {members} members: writes outlive the loss of less than half of them"
    return ok(about, what, kind="replica set", members=members)


def _writable(client: MongoClient[dict[str, Any]], database: str, secrets: Secrets) -> Finding:
    about = "MongoDB writable"
    trial = client.get_database(database, write_concern=_MAJORITY)[f"{TRIAL}_{uuid.uuid4().hex}"]
    try:
        try:
            trial.insert_one({"_id": "doctor"})
            trial.create_index("trial")
        finally:
            trial.drop()
    except (WTimeoutError, WriteConcernError):
        what = "a majority of the replica set did not acknowledge a write within 5 s"
        return failed(SERVER, about, what, "see that its members run, with rs.status()")
    except OperationFailure as error:
        what = f"a trial write to the database {database} was refused"
        if error.code == _UNAUTHORIZED:
            remedy = f"grant the user of MONGO_URI the role readWrite on {database}"
            return failed(SERVER, about, what, remedy)
        said = secrets.cleaned(str((error.details or {}).get("errmsg", error)))
        return failed(SERVER, about, f"{what} ({error.code}: {said})", "mend that in MongoDB")
    what = (
        f"a document and an index in a collection of their own in {database} were acknowledged "
        "(w: majority, journal) and removed again"
    )
    return ok(about, what)
