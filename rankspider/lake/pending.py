"""One write on its way to the lake, and whoever waits for it."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import bson
from bson.raw_bson import RawBSONDocument

from rankspider.errors import RankspiderError
from rankspider.lake.write import Write


class WriteRefused(RankspiderError):
    """MongoDB cannot hold this document for what it is; the others of its batch are stored."""


@dataclass(eq=False, slots=True)
class Pending:
    write: Write
    after: "Sequence[Pending]" = ()
    """What must be durable before it leaves."""
    content: bytes | None = None
    """``write.content`` as BSON, encoded once, whatever the number of attempts."""
    is_there: bool = False
    """An insert has found it."""
    absorbed: "list[Pending]" = field(default_factory=list)
    """Older ones of the same document, whose bounds are in ``write``."""
    done: asyncio.Future[None] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )

    @property
    def is_open(self) -> bool:
        return not self.done.done()

    @property
    def may_be_sent(self) -> bool:
        """Return whether nothing must be durable before this write; it ends if that was refused."""
        for pending in self.after:
            if pending.is_open:
                return False
            error = pending.done.exception()
            if error is not None:
                self.end(error)
        self.after = ()
        return self.is_open

    @property
    def raw(self) -> RawBSONDocument | None:
        return None if self.content is None else RawBSONDocument(self.content)

    def new_document(self) -> dict[str, Any]:
        return {"_id": self.write.id, **(self.raw or {}), **self.write.bounds}

    def encode(self) -> None:
        """Encode the document once it is known what leaves; the write ends if that is nothing that
        BSON can hold."""
        if self.content is not None or self.write.content is None:
            return
        try:
            self.content = bson.encode(self.write.content)
        except (bson.errors.BSONError, OverflowError, UnicodeError) as error:
            refused = WriteRefused(f"no BSON for {self.write.collection} {self.write.id}: {error}")
            refused.__cause__ = error
            self.end(refused)

    def absorb(self, older: "Pending") -> None:
        self.write = self.write.joined(older.write)
        self.absorbed += [older, *older.absorbed]
        older.absorbed = []

    def end(self, error: BaseException | None = None) -> None:
        """End the write, with all that it absorbed; or note that it failed, and that those are open
        still."""
        if error is None:
            for older in self.absorbed:
                older.end()
        if self.done.done():
            return  # whoever waited has been cancelled
        if error is None:
            self.done.set_result(None)
        else:
            self.done.set_exception(error)
