"""Which index answers a query: whatever a question sends to the server is explained by it."""

from collections.abc import Callable, Iterator
from itertools import takewhile
from typing import Any

from pymongo import MongoClient, monitoring
from pymongo.database import Database

_QUERIES = ("find", "aggregate", "count", "distinct")
_SESSION = ("lsid", "$db", "$clusterTime", "$readPreference", "txnNumber")


class SentQueries(monitoring.CommandListener):
    """Keeps the queries that a client sent."""

    def __init__(self) -> None:
        self.queries: list[dict[str, Any]] = []

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        if event.command_name in _QUERIES:
            self.queries.append({k: v for k, v in event.command.items() if k not in _SESSION})

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        pass

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        pass


def indexes_used(uri: str, name: str, ask: Callable[[Database[Any]], object]) -> set[str]:
    """What answers the queries that ``ask`` sends to the database ``name``.

    As ``collection.index``; ``collection.COLLSCAN`` where the server reads the whole collection.
    """
    sent = SentQueries()
    with MongoClient[Any](uri, tz_aware=True, event_listeners=[sent]) as client:
        ask(client[name])
        queries = list(sent.queries)
        return {
            f"{_collection(query)}.{access}"
            for query in queries
            for access in _explained(client[name], query)
        }


def walks(database: Database[Any], query: dict[str, Any]) -> list[str]:
    """How ``query`` reads the whole of a collection, or of an index: not bounded by a value of the
    index's first field. To ask for any document, or for the first in an index, is no walk."""
    collection = database[_collection(query)]
    keys = {name: index["key"] for name, index in collection.index_information().items()}
    bounds = _bounds(query)
    is_first = not bounds and query.get("limit") == 1

    def is_bounded(access: str) -> bool:
        if access == "COLLSCAN":
            return is_first and "sort" not in query
        return is_first or keys[access][0][0] in bounds

    found = [access for access in _explained(database, query) if not is_bounded(access)]
    return [f"{collection.name}.{access}" for access in found]


def _bounds(query: dict[str, Any]) -> set[str]:
    """The fields that ``query`` asks for values of."""
    if "pipeline" not in query:
        return {*query.get("filter", query.get("query", {}))}
    matches = takewhile(lambda stage: "$match" in stage, query["pipeline"])
    return {field for stage in matches for field in stage["$match"]}


def _explained(database: Database[Any], query: dict[str, Any]) -> Iterator[str]:
    plan = database.command("explain", query, verbosity="queryPlanner")
    return _accesses(plan)


def _collection(query: dict[str, Any]) -> str:
    return str(next(query[name] for name in _QUERIES if name in query))


def _accesses(plan: Any) -> Iterator[str]:
    """Index names and COLLSCANs, wherever they stand in the explanation."""
    if isinstance(plan, dict):
        stage = str(plan.get("stage"))
        if stage == "COLLSCAN":
            yield stage
        elif "indexName" in plan:  # IXSCAN, COUNT_SCAN, EXPRESS_IXSCAN …
            yield str(plan["indexName"])
        elif stage == "IDHACK" or stage.startswith("EXPRESS_"):  # 8.0 has the latter
            yield "_id_"
        plan = [value for key, value in plan.items() if key != "rejectedPlans"]
    if isinstance(plan, list):
        for part in plan:
            yield from _accesses(part)
