"""Make one flat row of each item for feed exports, such as ``scrapy crawl goods_rank -O
out.csv``."""

import datetime as dt
import re
from dataclasses import fields
from typing import Any

import msgspec
from itemadapter import ItemAdapter
from scrapy.exporters import (
    CsvItemExporter,
    JsonItemExporter,
    JsonLinesItemExporter,
    XmlItemExporter,
)

from rankspider.items import (
    LIST_FIELDS,
    ListItem,
    RankedList,
    RankItem,
    RejectedItem,
    UserItem,
    item_of,
)

_KINDS = (RankItem, UserItem, ListItem, RejectedItem)
# What XML 1.0 has no place for, such as a control character in a nickname.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def row_of(item: Any) -> dict[str, Any]:
    """Return ``item`` as a flat row: its ``kind``, then its fields, those of the list by the names
    that exports give them; times in ISO 8601, UTC. An item of the user's own keeps its fields as
    they are."""
    ours = item_of(item)
    given = ItemAdapter(item).asdict()
    if ours is None:
        return given
    row: dict[str, Any] = {"kind": ours.kind, **given}
    if isinstance(ranked_list := row.pop("ranked_list", None), dict):
        row.update({_LIST_NAMES[name]: value for name, value in ranked_list.items()})
    return {name: _plain(row[name]) for name in (*COLUMNS, *row) if name in row}


def _plain(value: Any) -> Any:
    if isinstance(value, dt.datetime):
        utc = value.astimezone(dt.UTC).replace(tzinfo=None)
        return f"{utc.isoformat(timespec='milliseconds')}Z"
    return value


_LIST_NAMES = {**{name: f"list_{name}" for name in LIST_FIELDS}, "begin_time": "begin_time"}
assert set(_LIST_NAMES) == {each.name for each in fields(RankedList)}
COLUMNS = tuple(
    dict.fromkeys(
        ("kind", "observed_at", *_LIST_NAMES.values())
        + tuple(
            each.name
            for kind in _KINDS
            for each in fields(kind)
            if each.name not in ("ranked_list", "kind")
        )
    )
)
"""Every column of every kind, in the order in which they stand."""


def _text(value: Any) -> Any:
    """Return ``value`` as text, for a format without maps and numbers in lists."""
    if isinstance(value, dict):
        return msgspec.json.encode(value).decode()
    return [str(each) for each in value] if isinstance(value, list) else value


class FlatJsonLinesExporter(JsonLinesItemExporter):
    def export_item(self, item: Any) -> None:
        super().export_item(row_of(item))


class FlatJsonExporter(JsonItemExporter):
    def export_item(self, item: Any) -> None:
        super().export_item(row_of(item))


class FlatCsvExporter(CsvItemExporter):
    """Writes CSV with every column of every kind, unless FEED_EXPORT_FIELDS says which."""

    def export_item(self, item: Any) -> None:
        row = {name: _text(value) for name, value in row_of(item).items()}
        if self.fields_to_export is None:
            self.fields_to_export = list(dict.fromkeys((*COLUMNS, *row)))
        super().export_item(row)


class FlatXmlExporter(XmlItemExporter):
    def export_item(self, item: Any) -> None:
        row = {name: _text(value) for name, value in row_of(item).items()}
        super().export_item({name: _xml(value) for name, value in row.items()})


def _xml(value: Any) -> Any:
    if isinstance(value, list):
        return [_xml(each) for each in value]
    return "" if value is None else _NOT_XML.sub("\ufffd", str(value))
