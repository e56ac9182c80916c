"""The ledger: one document in ``calls`` for each call that was made, whatever came of it.

A document is inserted when all that its answer said is durable, and never changed: it says by
reference what was seen, and when. What a killed worker had in hand has none.
"""

import datetime as dt
from dataclasses import dataclass, field, fields

from bson import ObjectId

from rankspider.lake.collections import Document

OK = "ok"
"""The outcome of a call that brought a list; any other is a failure's name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call, settled. What there is not, as of a call without an answer, is None."""

    id: ObjectId = field(default_factory=ObjectId)
    """Made with the call, so that a document that is sent twice stands there once."""
    anchor: str | None
    """The ``sec_uid`` asked for; None: the list alone."""
    user_id: str | None = None
    """Of that anchor, where the answer tells it."""
    asked_at: dt.datetime
    """When the request left, by the worker's clock."""
    milliseconds: int
    """Until the answer was there, or the call had failed."""
    observed_at: dt.datetime | None = None
    """By the endpoint's clock."""
    purpose: str
    outcome: str
    """`OK`, or the `Failure.name`."""
    status: int | None = None
    """Of HTTP."""
    bytes: int | None = None
    """Of the body."""
    licence: str | None = None
    """Its fingerprint."""
    worker: str
    """``host:pid``."""
    begin_time: dt.datetime | None = None
    """The hour of the list."""
    list_state: str | None = None
    """The ``_id`` in `snapshots`; None also for a list of which a row was refused."""
    standing: str | None = None
    """The ``_id`` in `rank_history` of the anchor's own standing."""
    profile: str | None = None
    """The ``_id`` in `user_history` of the anchor's own profile."""


def document_of(call: Call) -> Document:
    """Return what is inserted into ``calls``."""
    values = {each.name: getattr(call, each.name) for each in fields(call)}
    return {"_id": values.pop("id"), **values}
