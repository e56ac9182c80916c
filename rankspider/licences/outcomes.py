"""What a failure of an answer says of the licence it was asked with."""

from rankspider.endpoint.failure import Failure, Verdict
from rankspider.licences.ledger import Outcome

_BY_NAME = {
    "too-fast": Outcome.THROTTLED,
    "licence-used-up": Outcome.OUT_OF_QUOTA,
    "unknown-status": Outcome.TROUBLE,
}
_BY_VERDICT = {
    Verdict.RETRY: Outcome.TROUBLE,
    Verdict.SOFT_BAN: Outcome.SOFT_BAN,
    Verdict.LICENCE: Outcome.REFUSED,
    Verdict.ANCHOR_WRONG: Outcome.ANSWERED,
    Verdict.ANCHOR_NOT_NOW: Outcome.ANSWERED,
}


def outcome_of(failed: Failure) -> Outcome:
    return _BY_NAME.get(failed.name, _BY_VERDICT[failed.verdict])
