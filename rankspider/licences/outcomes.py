"""Tell what a failure of an answer means for the licence it was asked with."""

from rankspider.endpoint.failure import Failure, Verdict
from rankspider.licences.ledger import CallOutcome

_BY_NAME = {
    "too-fast": CallOutcome.THROTTLED,
    "licence-used-up": CallOutcome.OUT_OF_QUOTA,
    "unknown-status": CallOutcome.TROUBLE,
}
_BY_VERDICT = {
    Verdict.RETRY: CallOutcome.TROUBLE,
    Verdict.SOFT_BAN: CallOutcome.SOFT_BAN,
    Verdict.LICENCE: CallOutcome.REFUSED,
    Verdict.ANCHOR_WRONG: CallOutcome.ANSWERED,
    Verdict.ANCHOR_NOT_NOW: CallOutcome.ANSWERED,
}


def outcome_of(failed: Failure) -> CallOutcome:
    return _BY_NAME.get(failed.name, _BY_VERDICT[failed.verdict])
