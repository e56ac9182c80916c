"""Each licence: as the fleet knows it, and as one real call finds it.

What a call brings is told to the fleet if it is good news: a licence that was set aside is taken
up again. Bad news is not, since the settings that are being looked at may be what is wrong, and
licences of a running fleet would be set aside for it; the fleet finds out by itself.
"""

from collections.abc import Callable, Iterator, Sequence

from rankspider.anchors.connection import REDIS_ERRORS, unavailable
from rankspider.checkup.call import Called
from rankspider.checkup.clock import agreement
from rankspider.checkup.finding import (
    ERROR,
    LICENCES,
    SERVER,
    SETTING,
    Finding,
    failed,
    ok,
    warning,
)
from rankspider.checkup.fleet import Fleet
from rankspider.checkup.licence import GOOD, Licence, found
from rankspider.checkup.secrets import Secrets
from rankspider.endpoint.request import PATH
from rankspider.licences.keys import fingerprint
from rankspider.licences.ledger import Outcome, Slot, Standing


def look_at(
    tokens: Sequence[str],
    fleet: Fleet | None,
    ask: Callable[[str], Called] | str,
    secrets: Secrets,
) -> list[Finding]:
    """``ask`` makes the one call, or says why none is made; ``fleet`` None: without Redis."""
    findings: list[Finding] = []
    names = [fingerprint(token) for token in tokens]
    try:
        standings = fleet.standings(names) if fleet is not None else [None] * len(names)
        licences = [Licence(*each) for each in zip(tokens, names, standings, strict=True)]
        if isinstance(ask, str):
            for licence in licences:
                licence.not_asked = ask
        else:
            _ask_each(licences, fleet, ask)
    except REDIS_ERRORS as error:
        return [failed(SERVER, "licences", secrets.cleaned(str(unavailable(error))))]
    findings += (found(licence, secrets) for licence in licences)
    findings += _together(licences)
    findings += _endpoint(licences, secrets)
    return findings


def _ask_each(licences: list[Licence], fleet: Fleet | None, ask: Callable[[str], Called]) -> None:
    for licence in licences:
        slot = None
        if fleet is not None and licence.standing is not None:
            leave = fleet.leave(licence.standing)
            if isinstance(leave, str):
                licence.not_asked = _WHY[leave]
                continue
            slot = leave
        licence.called = ask(licence.token)
        if fleet is not None and licence.standing is not None and slot is not None:
            _tell(fleet, licence.standing, slot, licence.outcome)
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


def _tell(fleet: Fleet, standing: Standing, slot: Slot, outcome: Outcome | None) -> None:
    """Good news, or what the fleet knew already."""
    known = outcome is Outcome.REFUSED and standing.state == "refused"
    told = outcome if outcome in GOOD or known else None
    fleet.tell(standing, slot, told or Outcome.UNSENT)


def _is_elsewhere(called: Called) -> bool:
    """Whoever is there is not the endpoint: no other licence is to be shown to them."""
    return not called.was_sent or called.redirect is not None or called.status == 404


def _together(licences: list[Licence]) -> Iterator[Finding]:
    """What the fleet can do with all of them."""
    states = [licence.state for licence in licences]
    usable = len(states) - sum(state in ("refused", "out-of-quota", "cooling") for state in states)
    if usable:
        yield ok("licences", f"{usable} of {len(states)} may be used", usable=usable)
    elif all(state == "refused" for state in states):
        remedy = "renew them, or put others in RANK_API_TOKENS"
        yield failed(LICENCES, "licences", f"all of them are refused ({len(states)})", remedy)
    else:
        what = f"none of {len(states)} may be used now: a run would wait"
        yield warning("licences", what, "add one, or wait", usable=0)


def _endpoint(licences: list[Licence], secrets: Secrets) -> Iterator[Finding]:
    """What the calls tell of the endpoint itself."""
    answers = [licence.called for licence in licences if licence.called is not None]
    clock = next((called.clock for called in answers if called.clock is not None), None)
    if clock is not None:
        remedy = "set this machine's by NTP; lists are told by the endpoint's hour"
        yield agreement("endpoint", clock, remedy)
    if any(licence.outcome in GOOD for licence in licences):
        return
    for called in answers:
        trouble = _trouble(called, secrets)
        if trouble is not None:
            yield trouble
            return


def _trouble(called: Called, secrets: Secrets) -> Finding | None:
    """Why no run would bring anything from there, if it is so."""
    about, failure = "endpoint", called.failed
    assert failure is not None
    said = secrets.cleaned(failure.message)
    if not called.was_sent:
        return failed(SERVER, about, f"no call got through ({said})", "see RANK_API_URL")
    if called.redirect is not None:
        what = f"it answers with a redirect to {secrets.cleaned(called.redirect)}, not followed"
        return failed(SETTING, about, what, "set RANK_API_URL to that, if it is the vendor's")
    if called.status == 404:
        remedy = "RANK_API_URL is another host's, or the vendor has moved it"
        return failed(SETTING, about, f"there is no {PATH} (HTTP 404)", remedy)
    if failure.name == "malformed":
        remedy = "is RANK_API_URL the vendor's?"
        return failed(ERROR, about, f"what it answered is no list ({said})", remedy)
    return None
