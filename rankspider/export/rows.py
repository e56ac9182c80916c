"""Make a flat row of a document, in the table's order, every value of its column's kind."""

import datetime as dt
import json
from typing import Any

from bson import ObjectId, json_util

from rankspider.errors import ExportError
from rankspider.export.tables import REST, ColumnKind, Table
from rankspider.lake.collections import Document

Row = list[Any]

_TYPES: dict[ColumnKind, type] = {
    ColumnKind.TEXT: str,
    ColumnKind.INTEGER: int,
    ColumnKind.FLAG: bool,
    ColumnKind.TIME: dt.datetime,
    ColumnKind.TEXTS: str,
    ColumnKind.INTEGERS: int,
}
_LISTS = (ColumnKind.TEXTS, ColumnKind.INTEGERS)
# What JSON has no name for, such as a date somebody added by hand, is said as MongoDB says it.
_EXTENDED = json_util.JSONOptions(json_mode=json_util.JSONMode.RELAXED, tz_aware=True)


def row_of(table: Table, document: Document) -> Row:
    """Return the values of ``document`` in the order of the table's columns.

    A field that is missing is null. What no column holds goes to the last one, so that nothing is
    lost. Raises `ExportError` for a value that isn't of its column's kind.
    """
    fields = _flat(document)
    row = []
    for column in table.columns[:-1]:
        value = fields.pop(column.name, None)
        if value is not None and not _fits(column.kind, value):
            raise ExportError(
                f"{table.collection} {document['_id']!r}: {column.name} must be "
                f"{column.kind.value}, and this one is a {type(value).__name__}: mend the document "
                "in MongoDB, or leave its hour out"
            )
        row.append(value)
    assert table.columns[-1].name == REST
    row.append(fields or None)
    return row


def _flat(document: Document) -> Document:
    fields = dict(document)
    if isinstance(fields["_id"], ObjectId):
        fields["_id"] = str(fields["_id"])
    ranked_list = fields.get("list")
    if isinstance(ranked_list, dict) or ranked_list is None:
        fields.pop("list", None)
        fields.update((f"list_{name}", value) for name, value in (ranked_list or {}).items())
    return fields


def _fits(kind: ColumnKind, value: Any) -> bool:
    if kind is ColumnKind.JSON:
        return True
    if kind in _LISTS:
        return isinstance(value, list) and all(_is_a(_TYPES[kind], each) for each in value)
    return _is_a(_TYPES[kind], value)


def _is_a(expected: type, value: Any) -> bool:
    return isinstance(value, expected) and (expected is bool or not isinstance(value, bool))


def json_text(value: Any) -> str:
    """Return ``value`` as compact JSON, integers exact; what JSON cannot say, as MongoDB's relaxed
    Extended JSON."""
    try:
        return json.dumps(
            value,
            ensure_ascii=False,
            separators=(",", ":"),
            allow_nan=False,
            default=lambda other: json_util.default(other, _EXTENDED),
        )
    except ValueError:  # NaN or an infinity, somewhere in it
        return json_util.dumps(value, ensure_ascii=False, json_options=_EXTENDED)


def time_text(time: dt.datetime) -> str:
    """Return ``time`` as ISO 8601 in UTC, to the millisecond."""
    return time.astimezone(dt.UTC).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"
