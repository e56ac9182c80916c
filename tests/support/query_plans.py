"""Which index answers a query: whatever a question sends to the server is explained by it."""

from collections.abc import Callable, Iterator
from typing import Any

from pymongo import MongoClient, monitoring
from pymongo.database import Database

_QUERIES = ("find", "aggregate", "count", "distinct")
_SESSION = ("lsid", "$db", "$clusterTime", "$readPreference", "txnNumber")


class _Sent(monitoring.CommandListener):
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
    sent = _Sent()
    with MongoClient[Any](uri, tz_aware=True, event_listeners=[sent]) as client:
        ask(client[name])
        queries = list(sent.queries)
        return {
            f"{_collection(query)}.{access}"
            for query in queries
            for access in _accesses(
                client[name].command("explain", query, verbosity="queryPlanner")
            )
        }


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
