"""Each licence: as the fleet knows it, and as one real call finds it.

What a call brings is told to the fleet if it is good news: a licence that was set aside is taken
up again. Bad news is not, since the settings that are being looked at may be what is wrong, and
licences of a running fleet would be set aside for it; the fleet finds out by itself.
"""

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import replace

from rankspider.checkup import answers
from rankspider.checkup.call import CallResult
from rankspider.checkup.finding import LICENCES, SERVER, Finding, failed, ok, warning
from rankspider.checkup.fleet import Fleet
from rankspider.checkup.licence import GOOD, CheckedLicence, clock_text, found
from rankspider.checkup.secrets import Secrets
from rankspider.connections.redis import REDIS_ERRORS, unavailable
from rankspider.licences.fingerprint import fingerprint
from rankspider.licences.ledger import CallOutcome, LicenceState, Slot


def look_at(
    tokens: Sequence[str],
    fleet: Fleet | None,
    ask: Callable[[str], CallResult] | str,
    secrets: Secrets,
) -> list[Finding]:
    """Look at each licence. ``ask`` makes the one call, or says why none is made; ``fleet`` None:
    without Redis."""
    findings: list[Finding] = []
    names = [fingerprint(token) for token in tokens]
    try:
        standings = fleet.standings(names) if fleet is not None else [None] * len(names)
        licences = [CheckedLicence(*each) for each in zip(tokens, names, standings, strict=True)]
        if isinstance(ask, str):
            for licence in licences:
                licence.not_asked = ask
        else:
            _ask_each(licences, fleet, ask)
    except REDIS_ERRORS as error:
        return [failed(SERVER, "licences", secrets.cleaned(str(unavailable(error))))]
    trouble = answers.trouble(licences, secrets)
    findings += (found(licence, secrets) for licence in licences)
    findings.append(_together(licences, is_endpoint_well=trouble is None))
    findings += answers.clock(licences)
    findings += [trouble] if trouble is not None else answers.rejected_records(licences, secrets)
    return findings


def _ask_each(
    licences: list[CheckedLicence], fleet: Fleet | None, ask: Callable[[str], CallResult]
) -> None:
    for licence in licences:
        slot = None
        if fleet is not None and licence.standing is not None:
            granted = fleet.wait_for_turn(licence.standing)
            if isinstance(granted, str):
                licence.not_asked, licence.is_held = _WHY[granted], granted == "circuit"
                continue
            slot = granted
        licence.called = ask(licence.token)
        if fleet is not None and licence.standing is not None and slot is not None:
            _report(fleet, licence.standing, slot, licence.outcome)
        if _is_elsewhere(licence.called):
            for other in licences[licences.index(licence) + 1 :]:
                other.not_asked = "not asked at such an address"
            return


_WHY = {
    "cooling": "not asked before its time",
    "circuit": "not asked: most calls fail now, and the fleet sends probes only",
    "pace": "not asked: the fleet uses up its pace",
    "refused": "not asked",
}


def _report(fleet: Fleet, standing: LicenceState, slot: Slot, outcome: CallOutcome | None) -> None:
    """Tell the fleet of good news, or of what it knew already."""
    known = outcome is CallOutcome.REFUSED and standing.state == "refused"
    reported = outcome if outcome in GOOD or known else None
    fleet.report(standing, slot, reported or CallOutcome.UNSENT)


def _is_elsewhere(called: CallResult) -> bool:
    """Return whether somebody else than the endpoint is there: no other licence is to be shown to
    them."""
    return not called.was_sent or called.redirect is not None or called.status == 404


def _together(licences: list[CheckedLicence], *, is_endpoint_well: bool) -> Finding:
    """Return what the fleet can do with all licences."""
    about, count = "licences", len(licences)
    usable = sum(licence.is_usable for licence in licences)
    if all(licence.state == "refused" for licence in licences):
        remedy = "renew them, or put others in RANK_API_TOKENS"
        return failed(LICENCES, about, f"all of them are refused ({count})", remedy)
    if not is_endpoint_well:
        what = f"none of {count} was seen to work"
        return warning(about, what, "see the endpoint first", usable=0)
    if usable:
        return ok(about, f"{usable} of {count} may be used", usable=usable)
    return _waiting(licences)


def _waiting(licences: list[CheckedLicence]) -> Finding:
    moments = [each.until for each in licences if each.waits and each.until is not None]
    what = f"none of {len(licences)} may be used now: a run would wait"
    if any(licence.is_held for licence in licences):
        wait = "most calls of the fleet fail now, and it sends probes only"
    elif moments:
        wait = f"no licence may be used before {clock_text(min(moments))}"
    else:
        wait = "no licence may be used now, and it is not known until when"
    until = dt.datetime.fromtimestamp(min(moments), dt.UTC).isoformat() if moments else None
    return replace(warning("licences", what, "add one, or wait", usable=0, until=until), wait=wait)
