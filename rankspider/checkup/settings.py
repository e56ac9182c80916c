"""Every setting: its value, where it came from, and whether it is right."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from scrapy.settings import SETTINGS_PRIORITIES, BaseSettings, Settings

from rankspider.checkup.finding import SETTING, Finding, failed, ok, warning
from rankspider.checkup.secrets import masked_api_url, masked_url
from rankspider.configuration import Configuration, database_in, tokens_in
from rankspider.environment import Environment
from rankspider.errors import ConfigurationError
from rankspider.licences.fingerprint import fingerprint

_OWN = ("RANK_", "REDIS_", "MONGO_")
_COMMAND_LINE = SETTINGS_PRIORITIES["cmdline"]
# Of scrapy-redis's settings; the others may hold a password.
_OPEN = ("REDIS_HOST", "REDIS_PORT", "REDIS_DB", "REDIS_ENCODING")
_UNSET = {
    "REDIS_URL": "not set: an embedded server unless REDIS_HOST or REDIS_PARAMS is",
    "MONGO_URI": "not set: an embedded server",
    "MONGO_DATABASE": "not set: the one that MONGO_URI names, or rankspider",
}


@dataclass(frozen=True, slots=True)
class CheckedSettings:
    """``configuration`` has the defaults in the place of the ``wrong`` settings."""

    configuration: Configuration
    wrong: frozenset[str]
    names: tuple[str, ...]
    findings: list[Finding]


def examine(settings: BaseSettings, environment: Environment) -> CheckedSettings:
    """Look at each setting by itself, so that one that is wrong hides no other.

    Raises `ConfigurationError` only for one that is written wrong into settings.py.
    """
    names = tuple(sorted({*environment.defaults, *_further(settings)}))
    base = _defaults(settings, environment)
    Configuration.read_known_names(base)
    wrong = {name: str(error) for name in names if (error := _error(settings, base, name))}
    sound = settings.copy()
    for name in wrong:
        sound.set(name, base.get(name), priority="cmdline")
    configuration = Configuration.read_known_names(sound)
    findings = [failed(SETTING, ".env", problem) for problem in environment.problems]
    for name in names:
        origin = _origin(settings, environment, name)
        if name in wrong:
            what = f"{_without(name, wrong[name])} ({origin})"
            findings.append(failed(SETTING, name, what, origin=origin))
        else:
            findings.append(_right(name, settings.get(name), origin))
    findings += _missing(configuration, wrong)
    findings += (
        warning(
            "RANK_API_TOKENS_FILE" if path == configuration.tokens_file else path.name,
            f"other users of this machine may read {path}",
            f"chmod 600 {path}",
        )
        for path in configuration.open_files
    )
    if settings.get("RANK_API_TOKENS") and configuration.tokens_file:
        findings.append(
            warning(
                "RANK_API_TOKENS_FILE",
                "RANK_API_TOKENS is set as well, and the file wins",
                "unset one of them",
            )
        )
    named = database_in(configuration.mongo_uri or "")
    if named not in (None, configuration.mongo_database):
        findings.append(
            warning(
                "MONGO_DATABASE",
                f"MONGO_URI names the database {named}, and {configuration.mongo_database} is used",
                "unset MONGO_DATABASE to use the other",
            )
        )
    return CheckedSettings(configuration, frozenset(wrong), names, findings)


def _further(settings: BaseSettings) -> Iterator[str]:
    """Yield those that a user wrote into settings.py, and scrapy-redis's that were given with
    -s."""
    for name in settings:
        if isinstance(name, str) and name.startswith(_OWN):
            if settings.getpriority(name) != _COMMAND_LINE or name.startswith("REDIS_"):
                yield name


def _defaults(settings: BaseSettings, environment: Environment) -> Settings:
    """Return what holds where nothing is set: Scrapy's defaults, and settings.py's."""
    base = Settings()
    for name in _further(settings):
        if name not in environment.defaults:
            base.set(name, settings.get(name), priority="project")
    for name, default in environment.defaults.items():
        if default is not None:
            base.set(name, default, priority="project")
    return base


def _error(settings: BaseSettings, base: Settings, name: str) -> ConfigurationError | None:
    alone = base.copy()
    alone.set(name, settings.get(name), priority="cmdline")
    try:
        Configuration.read_known_names(alone)
    except ConfigurationError as error:
        return error
    return None


def _origin(settings: BaseSettings, environment: Environment, name: str) -> str:
    if settings.getpriority(name) == _COMMAND_LINE:
        return "command line"
    return environment.origin(name) if name in environment.defaults else "settings.py"


def _without(name: str, message: str) -> str:
    """Return ``message`` without ``name`` at its beginning, which is said anyway."""
    return message.removeprefix(name).lstrip(" :")


def _right(name: str, value: Any, origin: str) -> Finding:
    """Return the finding that the setting is right. No value that may hold a secret is shown as it
    is."""
    text = "" if value is None else str(value).strip()
    shown = _shown(name, text) if text else _UNSET.get(name, "not set")
    return ok(name, f"{shown} ({origin})", value=_shown(name, text) or None, origin=origin)


def _shown(name: str, text: str) -> str:
    if name == "RANK_API_TOKENS":
        return ", ".join(fingerprint(token) for token in tokens_in(text))
    if name == "RANK_API_URL":
        return text and masked_api_url(text)
    if "://" in text:
        return masked_url(text)
    if name.startswith("REDIS_") and name not in _OPEN:
        return text and "***"
    return text


def _missing(configuration: Configuration, wrong: dict[str, str]) -> Iterator[Finding]:
    """Yield the endpoint and the licences, which have no defaults."""
    complete = replace(configuration, api_url="http://unused", api_tokens=("unused",))
    for name, asked in (
        ("RANK_API_URL", replace(complete, api_url=configuration.api_url)),
        ("RANK_API_TOKENS", replace(complete, api_tokens=configuration.api_tokens)),
    ):
        try:
            asked.require_endpoint()
        except ConfigurationError as error:
            if not {name, f"{name}_FILE"} & wrong.keys():
                yield failed(SETTING, name, _without(name, str(error)))
