"""The formats by name."""

from dataclasses import dataclass
from typing import BinaryIO, Protocol

from rankspider.errors import ConfigurationError
from rankspider.export.rows import Row
from rankspider.export.tables import Table
from rankspider.export.text import Csv, JsonLines

PARQUET, JSONL, CSV = FORMATS = ("parquet", "jsonl", "csv")


class RowWriter(Protocol):
    """Writes rows to a file that somebody else opens and closes."""

    def write(self, row: Row) -> None: ...

    def close(self) -> None:
        """Make it whole; whatever happened before, it must be called."""


@dataclass(frozen=True, slots=True)
class Format:
    name: str
    mark: bool = False
    """Whether CSV begins with the mark by which Excel knows UTF-8."""

    def require_library(self) -> None:
        """Raise `ConfigurationError` if what the format needs is not installed."""
        if self.name != PARQUET:
            return
        try:
            import pyarrow.parquet  # noqa: F401
        except ModuleNotFoundError:
            raise ConfigurationError(
                "--format parquet needs pyarrow: pip install -c constraints.txt "
                "-e '.[export]' in the project's folder, or choose --format jsonl or csv"
            ) from None

    def writer(self, file: BinaryIO, table: Table) -> RowWriter:
        if self.name == JSONL:
            return JsonLines(file, table)
        if self.name == CSV:
            return Csv(file, table, mark=self.mark)
        from rankspider.export.parquet import Parquet  # only where it is asked for: 50 MB

        return Parquet(file, table)
