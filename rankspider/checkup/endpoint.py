"""The endpoint's address: is there somebody, and is it who it says? No licence is sent."""

import socket
import ssl
import time
import urllib.request
from typing import Any
from urllib.parse import urlsplit

from rankspider.checkup.finding import SERVER, Finding, failed, ok, warning

_TIMEOUT_SECONDS = 10
_SOON_DAYS = 14
_DAY = 86400
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_TLS = "endpoint's TLS"


def look_at(api_url: str, *, verifies: bool) -> list[Finding]:
    """Look at the endpoint's address. ``verifies``: whether a run would look at certificates; here
    they are in any case."""
    parts = urlsplit(api_url)
    host = parts.hostname or ""
    proxy = urllib.request.getproxies().get(parts.scheme)
    if proxy and not urllib.request.proxy_bypass(host):
        behind = proxy.partition("://")[2].rpartition("@")[2] or proxy.rpartition("@")[2]
        through = ok("endpoint", f"asked through the proxy {behind}; it is not looked at by itself")
        return [through] if parts.scheme == "https" else [through, _in_the_clear(behind)]
    port = parts.port or (443 if parts.scheme == "https" else 80)
    findings = []
    if parts.scheme == "https" and not verifies:
        what = "DOWNLOAD_VERIFY_CERTIFICATES is off: whoever is in between can read the licences"
        findings.append(warning(_TLS, what, "take that override out"))
    try:
        findings += _reached(host, port, tls=parts.scheme == "https")
    except ssl.SSLCertVerificationError as error:
        findings.append(_distrusted(host, error))
    except ssl.SSLError as error:
        what = f"{host} speaks no TLS that is understood ({error.reason or type(error).__name__})"
        findings.append(failed(SERVER, _TLS, what, "is it http:// or another port?"))
    except OSError as error:
        reason = error.strerror or type(error).__name__
        what = f"{host} port {port} cannot be reached ({reason})"
        remedy = "see RANK_API_URL, the network and its firewall"
        findings.append(failed(SERVER, "endpoint", what, remedy))
    return findings


def _reached(host: str, port: int, *, tls: bool) -> list[Finding]:
    with socket.create_connection((host, port), _TIMEOUT_SECONDS) as connection:
        reached = ok("endpoint", f"{host} port {port} takes connections")
        if not tls:
            return [reached] if host in _LOOPBACK else [reached, _in_the_clear()]
        context = ssl.create_default_context()
        with context.wrap_socket(connection, server_hostname=host) as secured:
            return [reached, _trusted(secured.version() or "TLS", secured.getpeercert() or {})]


def _in_the_clear(proxy: str = "") -> Finding:
    readers = f"the proxy {proxy} and everybody" if proxy else "everybody"
    what = f"http:// carries the licences for {readers} in between to read"
    remedy = ", or name the host in no_proxy if it is your own" if proxy else ""
    return warning(_TLS, what, f"use https:// if the vendor has it{remedy}")


def _trusted(version: str, certificate: dict[str, Any]) -> Finding:
    days = (ssl.cert_time_to_seconds(certificate["notAfter"]) - time.time()) / _DAY
    if days < _SOON_DAYS:
        what = f"the certificate runs out in {days:.0f} days"
        return warning(_TLS, what, "tell the vendor", days_left=round(days))
    what = f"{version}, the certificate is good for {days:.0f} more days"
    return ok(_TLS, what, days_left=round(days))


def _distrusted(host: str, error: ssl.SSLCertVerificationError) -> Finding:
    what = f"the certificate of {host} is not to be trusted: {error.verify_message}"
    remedy = "see RANK_API_URL and this machine's clock; SSL_CERT_FILE names further authorities"
    return failed(SERVER, _TLS, what, remedy)
