"""Parquet: typed columns, compressed with zstd, in row groups of bounded size."""

from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from rankspider.export.rows import Row, json_text
from rankspider.export.tables import Column, ColumnKind, Table

_TYPES = {
    ColumnKind.TEXT: pa.string(),
    ColumnKind.INTEGER: pa.int64(),
    ColumnKind.FLAG: pa.bool_(),
    ColumnKind.TIME: pa.timestamp("ms", tz="UTC"),
    ColumnKind.TEXTS: pa.list_(pa.string()),
    ColumnKind.INTEGERS: pa.list_(pa.int64()),
    ColumnKind.JSON: pa.string(),
}
# Rows are turned into columns while they are few: as Python objects they are much larger.
_ROWS_AT_ONCE = 1000
_CHARACTERS_AT_ONCE = 8 * 1024 * 1024
# A row group is what readers skip or load as one; it is also all that is in memory here.
_GROUP_ROWS = 128 * 1024
_GROUP_BYTES = 64 * 1024 * 1024


class Parquet:
    """Writes rows to ``file``; `close` makes it whole."""

    def __init__(self, file: BinaryIO, table: Table, *, group_bytes: int = _GROUP_BYTES) -> None:
        self._columns = table.columns
        self._schema = pa.schema([(each.name, _TYPES[each.kind]) for each in table.columns])
        self._writer = pq.ParquetWriter(file, self._schema, compression="zstd")
        self._group_bytes = group_bytes
        self._rows: list[Row] = []
        self._characters = 0
        self._group: list[pa.RecordBatch] = []
        self._group_room = [_GROUP_ROWS, group_bytes]

    def write(self, row: Row) -> None:
        cells = [_cell(column, value) for column, value in zip(self._columns, row, strict=True)]
        self._rows.append(cells)
        self._characters += sum(len(cell) for cell in cells if isinstance(cell, str))
        if len(self._rows) >= _ROWS_AT_ONCE or self._characters >= _CHARACTERS_AT_ONCE:
            self._gather()

    def close(self) -> None:
        self._gather()
        self._flush()
        self._writer.close()

    def _gather(self) -> None:
        """Turn what waits into columns, and write the row group if it is full."""
        if not self._rows:
            return
        columns = zip(zip(*self._rows, strict=True), self._schema.types, strict=True)
        arrays = [pa.array(values, type_) for values, type_ in columns]
        batch = pa.RecordBatch.from_arrays(arrays, schema=self._schema)
        self._rows.clear()
        self._characters = 0
        self._group.append(batch)
        self._group_room[0] -= batch.num_rows
        self._group_room[1] -= batch.nbytes
        if min(self._group_room) <= 0:
            self._flush()

    def _flush(self) -> None:
        if self._group:
            group = pa.Table.from_batches(self._group, self._schema)
            self._writer.write_table(group, row_group_size=group.num_rows)
        self._group.clear()
        self._group_room = [_GROUP_ROWS, self._group_bytes]


def _cell(column: Column, value: Any) -> Any:
    if column.kind is ColumnKind.JSON and value is not None:
        return json_text(value)
    return value
