"""Defines what the archive takes of one answer."""

import datetime as dt
from dataclasses import dataclass, field
from functools import cached_property
from typing import Self

from rankspider.archive.compression import digest_of_body
from rankspider.endpoint.answer import WALL_HEADERS, Answer
from rankspider.endpoint.checks import list_problem
from rankspider.endpoint.extraction import list_of
from rankspider.endpoint.failure import Failure
from rankspider.items import RankedList, joined
from rankspider.moments import moment_of


def key_of(digest: str, anchor: str | None) -> str:
    """Return the ``_id`` of an archived answer."""
    return joined(digest[:32], anchor or "")


@dataclass
class AnswerToArchive:
    """The body of one HTTP 200, verbatim, and what is known about the call."""

    body: bytes = field(repr=False)
    """As it was decoded from its Content-Encoding."""
    anchor: str | None
    """The ``sec_uid`` that was asked for."""
    observed_at: dt.datetime
    """The endpoint's clock, UTC; of an answer without a list, this machine's."""
    ranked_list: RankedList | None = None
    """None for an answer that is not the list of an hour."""
    failure: str | None = None
    """What was wrong with it when it came, as stats name it."""
    headers: dict[str, str] = field(default_factory=dict)
    """Those that can make it a failure whatever its body says."""

    @cached_property
    def digest(self) -> str:
        """Return the digest of the answer's bytes."""
        return digest_of_body(self.body)

    @cached_property
    def key(self) -> str:
        """Return a key that is equal for the same bytes for the same anchor."""
        return key_of(self.digest, self.anchor)

    @classmethod
    def of_list(cls, body: bytes, answer: Answer, anchor: str | None) -> Self:
        ranked_list = list_of(answer) if list_problem(answer) is None else None
        return cls(body, anchor, moment_of(answer.now_ms), ranked_list)

    @classmethod
    def of_failure(
        cls, body: bytes, headers: dict[str, str], failed: Failure, anchor: str | None
    ) -> Self:
        telling = {name: headers[name] for name in WALL_HEADERS if name in headers}
        now = dt.datetime.now(dt.UTC)
        return cls(body, anchor, now, failure=failed.name, headers=telling)
