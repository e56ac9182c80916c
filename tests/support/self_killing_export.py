"""An export that kills itself with SIGKILL the NTH time it comes to POINT, or runs to its end for
the point ``none``:
``python -m tests.support.self_killing_export URI DATABASE OUT FORMAT NOW POINT NTH``."""

import datetime as dt
import os
import signal
import sys
from pathlib import Path
from typing import Any

from rankspider.connections.mongo import connect_blocking
from rankspider.export.folder import Folder
from rankspider.export.formats import Format
from rankspider.export.manifest import Manifest, Part
from rankspider.export.run import Export
from rankspider.export.source import Source
from rankspider.export.tables import TABLES
from rankspider.export.window import Window


def main(uri: str, database: str, out: str, form: str, now: str, point: str, nth: str) -> None:
    left = int(nth)

    def come_to(here: str) -> bool:
        nonlocal left
        left -= here == point
        return here == point and left == 0

    def die() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def progress(*_: object) -> None:
        if come_to("row"):
            die()

    rename = Path.replace

    def replace(self: Path, target: Any) -> Path:
        if come_to("before the rename"):
            die()
        placed = rename(self, target)
        if come_to("after the rename"):
            die()
        return placed

    record = Manifest.record

    def torn(self: Manifest, part: Part) -> None:
        if come_to("torn line"):
            assert self._file is not None
            self._file.write(part.line[:40])
            self._file.flush()
            die()
        record(self, part)

    Path.replace = replace  # type: ignore[method-assign,assignment]
    Manifest.record = torn  # type: ignore[method-assign]
    folder = Folder(Path(out), form)
    export = Export(folder, Format(form), progress, force=False, now=dt.datetime.fromisoformat(now))
    with connect_blocking(uri) as client, folder.opened({"format": form}, TABLES.values()):
        for table in TABLES.values():
            export.run(Source(client[database], table), Window(None, None))


if __name__ == "__main__":
    if sys.argv[4] != "parquet":
        sys.modules["pyarrow"] = None  # type: ignore[assignment]  # as if it were not installed
    main(*sys.argv[1:])
