"""One licence: what is known of it, what its call brought, and what to say of both."""

import datetime as dt
import time
from dataclasses import dataclass, field

from rankspider.checkup.call import CallResult
from rankspider.checkup.finding import Finding, ok, warning
from rankspider.checkup.secrets import Secrets
from rankspider.endpoint.failure import Failure, Verdict
from rankspider.licences.ledger import CallOutcome, LicenceState
from rankspider.licences.outcomes import outcome_of

GOOD = (CallOutcome.OK, CallOutcome.ANSWERED)
_RENEW = "renew it, or take it out of RANK_API_TOKENS"


@dataclass(slots=True)
class CheckedLicence:
    token: str = field(repr=False)
    name: str
    standing: LicenceState | None
    """None: Redis cannot tell."""
    not_asked: str = "not asked"
    called: CallResult | None = None
    is_held: bool = False
    """The fleet's circuit is open, so a run would not ask with it now either."""

    @property
    def is_usable(self) -> bool:
        """Return whether a run can use it, as far as was seen; one that was not asked is taken at
        the fleet's word."""
        if self.called is not None:
            return self.outcome in GOOD
        return not self.is_held and (self.state in ("good", "unknown") or self._is_due)

    @property
    def waits(self) -> bool:
        """Return whether a run would do without it for a while."""
        if self.called is not None:
            return self.outcome in (CallOutcome.THROTTLED, CallOutcome.OUT_OF_QUOTA)
        return self.is_held or (self.state in ("cooling", "out-of-quota") and not self._is_due)

    @property
    def ails(self) -> bool:
        """Return whether its call failed, and no licence is to blame for what it failed of."""
        return self.outcome in (CallOutcome.TROUBLE, CallOutcome.SOFT_BAN)

    @property
    def until(self) -> float | None:
        """Return when it `waits` no longer, Unix s, if that is known."""
        if self.called is None:
            return self.standing.until or None if self.standing and not self.is_held else None
        wait = self.called.failed.retry_after if self.called.failed else None
        return None if wait is None else time.time() + wait

    @property
    def _is_due(self) -> bool:
        return self.standing is not None and 0 < self.standing.until <= time.time()

    @property
    def outcome(self) -> CallOutcome | None:
        if self.called is None or not self.called.was_sent:
            return None
        return CallOutcome.OK if self.called.failed is None else outcome_of(self.called.failed)

    @property
    def state(self) -> str:
        """Return good, refused, out-of-quota, cooling, or unknown; the call knows better."""
        by_call = {
            CallOutcome.OK: "good",
            CallOutcome.ANSWERED: "good",
            CallOutcome.REFUSED: "refused",
            CallOutcome.OUT_OF_QUOTA: "out-of-quota",
        }
        before = self.standing.state if self.standing is not None else "unknown"
        return by_call.get(self.outcome, before) if self.outcome else before


def found(licence: CheckedLicence, secrets: Secrets) -> Finding:
    about, facts = f"licence {licence.name}", {"state": licence.state}
    before = _as_known(licence.standing)
    called = licence.called
    if called is None:
        what = f"fleet: {before}; {licence.not_asked}"
        if licence.state in ("good", "unknown"):
            return ok(about, what, **facts)
        remedy = _RENEW if licence.state == "refused" else "nothing, if that is soon enough"
        return warning(about, what, remedy, **facts)
    if called.failed is None:
        rows, seconds = called.rows, called.seconds
        what = f"fleet: {before}; call: a list of {rows} rows in {seconds:.2f} s"
        if called.rejected:
            part = "nothing" if called.is_unusable else "not all"
            what += f", {part} of which pass the checks: see the endpoint"
        return ok(about, what, **facts)
    message = secrets.cleaned(f"{called.failed.name}: {called.failed.message}")
    if licence.outcome is CallOutcome.ANSWERED:
        return ok(about, f"fleet: {before}; call: taken, without an anchor ({message})", **facts)
    return warning(
        about, f"fleet: {before}; call: {message}", _remedy(called.failed, licence.outcome), **facts
    )


def _remedy(failure: Failure, outcome: CallOutcome | None) -> str:
    if outcome is CallOutcome.OUT_OF_QUOTA:
        return "buy more calls, or wait until the vendor counts anew"
    if failure.verdict is Verdict.LICENCE:
        return _RENEW
    if failure.verdict is Verdict.SOFT_BAN:
        return "wait: a run backs off by itself, and fewer calls per second help"
    if failure.name == "too-fast":
        return "set RANK_REQUESTS_PER_SECOND_PER_TOKEN to what the vendor allows"
    return "the licence is not to blame as far as can be told: see the endpoint, and try again"


def _as_known(standing: LicenceState | None) -> str:
    if standing is None:
        return "unknown, without Redis"
    if standing.state == "good":
        return "good" if standing.used_at else "not used yet"
    name = standing.state.replace("-", " ")
    if not standing.until:
        return name
    return f"{name} until {clock_text(standing.until)}"


def clock_text(moment: float) -> str:
    return f"{dt.datetime.fromtimestamp(moment, dt.UTC):%H:%M:%S} UTC"
