"""Conclude from the calls of all licences what is wrong with the endpoint itself."""

from collections.abc import Iterator

from rankspider.checkup.call import CallResult
from rankspider.checkup.clock import agreement
from rankspider.checkup.finding import ERROR, SERVER, SETTING, Finding, failed, warning
from rankspider.checkup.licence import GOOD, CheckedLicence
from rankspider.checkup.secrets import Secrets
from rankspider.endpoint.failure import Verdict
from rankspider.endpoint.request import PATH
from rankspider.licences.ledger import CallOutcome

# Failures of an endpoint that cannot be had, whoever asks it for whatever.
_AWAY = ("network", "server-error", "dropped-by-platform", "vendor-busy")


def clock(licences: list[CheckedLicence]) -> Iterator[Finding]:
    readings = [each.called.clock for each in licences if each.called is not None]
    reading = next((reading for reading in readings if reading is not None), None)
    if reading is not None:
        remedy = "set this machine's clock by NTP; the endpoint's clock decides the hour of a list"
        yield agreement("endpoint", reading, remedy)


def rejected_records(licences: list[CheckedLicence], secrets: Secrets) -> Iterator[Finding]:
    """Yield findings where lists came, and a crawl would reject records of them."""
    lists = [each.called for each in licences if each.called is not None and each.called.rows]
    rejected_records = [called for called in lists if called.rejected]
    if not rejected_records:
        return
    worst = max(rejected_records, key=lambda called: called.rejected_rows / called.rows)
    remedy = "update rankspider; RANK_ARCHIVE=1 keeps its answers until the code knows them"
    kind, reason = next((each for each in worst.rejected if each[0] == "rows"), worst.rejected[0])
    reason = secrets.cleaned(reason)
    if all(called.is_unusable for called in lists):
        what = f"it has changed: a list of {worst.rows} rows, none of which can be stored: {reason}"
        yield failed(ERROR, "endpoint", what, remedy)
        return
    count = sum(each == kind for each, _ in worst.rejected)
    what = f"of a list of {worst.rows} rows, {count} of its {kind} would be rejected: {reason}"
    yield warning("endpoint", what, remedy)


def trouble(licences: list[CheckedLicence], secrets: Secrets) -> Finding | None:
    """Return why no run would bring anything from the endpoint, if it is so."""
    if any(licence.outcome in GOOD for licence in licences):
        return None
    for licence in licences:
        if licence.called is not None:
            wrong = _wrong_address(licence.called, secrets)
            if wrong is not None:
                return wrong
    return _no_answer(licences, secrets)


def _wrong_address(called: CallResult, secrets: Secrets) -> Finding | None:
    about, failure = "endpoint", called.failed
    assert failure is not None
    message = secrets.cleaned(failure.message)
    if not called.was_sent:
        return failed(SERVER, about, f"no call got through ({message})", "see RANK_API_URL")
    if called.redirect is not None:
        what = f"it answers with a redirect to {secrets.cleaned(called.redirect)}, not followed"
        return failed(SETTING, about, what, "set RANK_API_URL to that, if it is the vendor's")
    if called.status == 404:
        remedy = "RANK_API_URL is another host's, or the vendor has moved it"
        return failed(SETTING, about, f"there is no {PATH} (HTTP 404)", remedy)
    if failure.name == "malformed":
        remedy = "is RANK_API_URL the vendor's?"
        return failed(ERROR, about, f"what it answered is no list ({message})", remedy)
    return None


def _no_answer(licences: list[CheckedLicence], secrets: Secrets) -> Finding | None:
    """Return a finding if none of its answers was one to a licence; None if one was, or may be had
    without a call."""
    answered = (CallOutcome.THROTTLED, CallOutcome.OUT_OF_QUOTA)
    if any(licence.is_usable or licence.outcome in answered for licence in licences):
        return None
    failures = [each.called.failed for each in licences if each.called is not None and each.ails]
    failure = next((failure for failure in failures if failure is not None), None)
    if failure is None:
        return None
    message = secrets.cleaned(f"{failure.name}: {failure.message}")
    what = f"no licence got a list from it ({message})"
    if failure.name in _AWAY:
        remedy = "try again later, and see RANK_API_URL and the network if it stays so"
        return failed(SERVER, "endpoint", what, remedy)
    if failure.verdict is Verdict.SOFT_BAN:
        remedy = "wait, or ask from another address: it takes this one for a robot"
        return failed(ERROR, "endpoint", what, remedy)
    return failed(ERROR, "endpoint", what, "is RANK_API_URL the vendor's? If so, ask the vendor")
