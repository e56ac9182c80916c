"""Which indexes answer a question: its queries are caught on their way, and explained."""

from collections.abc import Iterator
from typing import Any

from pymongo import monitoring
from pymongo.database import Database

Document = dict[str, Any]
_READING = {"find", "aggregate", "count", "distinct"}
_OF_THE_DRIVER = {"lsid", "$clusterTime", "$db", "$readPreference", "readConcern", "txnNumber"}


class Queries(monitoring.CommandListener):
    """Keeps the queries that a client sends, each shape of a collection once."""

    def __init__(self) -> None:
        self._seen: dict[str, Document] = {}

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        if event.command_name in _READING:
            command = {k: v for k, v in event.command.items() if k not in _OF_THE_DRIVER}
            self._seen.setdefault(_shape(command), command)

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        """Nothing to note."""

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """Nothing to note."""

    def taken(self) -> list[Document]:
        """What was kept since the last time."""
        seen, self._seen = self._seen, {}
        return list(seen.values())


def _shape(value: Any) -> str:
    """``value`` without its numbers, texts and times."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{name}:{_shape(part)}" for name, part in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(sorted({_shape(part) for part in value})) + "]"
    return value if isinstance(value, str) else type(value).__name__


def scans(database: Database[Document], queries: list[Document]) -> list[str]:
    """How each is answered: ``collection.index``, or ``collection.COLLSCAN``."""
    found = {scan: None for query in queries for scan in _scans(database, query)}
    return list(found)


def _scans(database: Database[Document], query: Document) -> Iterator[str]:
    collection = next(iter(query.values()))
    explained = database.command("explain", query, verbosity="queryPlanner")
    stages = [explained, *(stage.get("$cursor", {}) for stage in explained.get("stages", []))]
    planners = [stage["queryPlanner"] for stage in stages if "queryPlanner" in stage]
    for planner in planners:
        plan = planner["winningPlan"]
        while "inputStage" in plan:
            plan = plan["inputStage"]
        # MongoDB 8 has names of their own for finding one document by its _id.
        by_id = "_id_" if plan["stage"] in ("IDHACK", "EXPRESS_IXSCAN") else plan["stage"]
        yield f"{collection}.{plan.get('indexName', by_id)}"
