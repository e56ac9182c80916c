"""Variables that look like settings, and that nothing reads."""

import difflib
from collections.abc import Collection, Iterator

from scrapy.settings import SETTINGS_PRIORITIES, BaseSettings
from scrapy_redis.connection import SETTINGS_PARAMS_MAP

from rankspider.checkup.finding import Finding, warning
from rankspider.environment import Environment

_PREFIX = "RANK_"
# Other programs have such variables, so these must resemble one of ours that is not set.
_SHARED_PREFIXES = ("REDIS", "MONGO")
_ALIKE = 0.8


def misspelt(
    settings: BaseSettings, environment: Environment, names: Collection[str]
) -> Iterator[Finding]:
    """A warning for each, with the setting that was probably meant. No values."""
    for name, origin in sorted(_given(settings, environment).items()):
        if name in names:
            continue
        likely = next(iter(difflib.get_close_matches(name.upper(), names, 1, _ALIKE)), None)
        if name.upper().startswith(_PREFIX):
            yield _unread(name, origin, likely)
        elif name in SETTINGS_PARAMS_MAP and not settings.get("REDIS_URL"):
            yield warning(
                name,
                f"set in the {origin}, where it is not read",
                f"set REDIS_URL instead, or write -s {name}=...",
            )
        elif name.startswith(_SHARED_PREFIXES) and likely and not settings.get(likely):
            yield _unread(name, origin, likely)


def _given(settings: BaseSettings, environment: Environment) -> dict[str, str]:
    """Every name that was set anywhere → where."""
    command_line = {
        name: "command line"
        for name in settings
        if isinstance(name, str) and settings.getpriority(name) == SETTINGS_PRIORITIES["cmdline"]
    }
    return {
        **dict.fromkeys(environment.file, ".env file"),
        **dict.fromkeys(environment.process, "environment"),
        **command_line,
    }


def _unread(name: str, origin: str, likely: str | None) -> Finding:
    remedy = f"did you mean {likely}?" if likely else "take it out, or see docs/settings.md"
    return warning(name, f"set in the {origin}, and nothing reads it", remedy)
