"""The project's own settings, read once, typed and checked.

Every error is a `ConfigurationError` that begins with the setting's name and says how to mend
it; no message repeats a value that may hold a password or a licence.
"""

import difflib
import logging
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self
from urllib.parse import unquote, urlsplit
from zoneinfo import ZoneInfo

from scrapy.settings import SETTINGS_PRIORITIES, BaseSettings
from scrapy.utils.conf import closest_scrapy_cfg

from rankspider import settings as project_settings
from rankspider.connections.redis_keys import has_a_slot_to_share
from rankspider.connections.redis_topology import SCHEMES as REDIS_SCHEMES
from rankspider.connections.redis_topology import UNESCAPED, url_problem
from rankspider.environment import DOTENV, is_open_to_others, project, proxies
from rankspider.errors import ConfigurationError
from rankspider.lake.collections import DATED
from rankspider.secrecy import hide, secrets_of

_PREFIX = "RANK_"
_MONGO_SCHEMES = ("mongodb", "mongodb+srv")
# MongoDB counts the seconds of a TTL index in 31 bits.
_MOST_DAYS = 24_000


@dataclass(frozen=True, slots=True)
class Configuration:
    """The settings, typed and checked. Times are seconds; ``None`` means unset."""

    api_url: str | None
    """``http(s)://host[:port]`` of the vendor, without a trailing slash."""
    api_tokens: tuple[str, ...] = field(repr=False)
    tokens_file: Path | None
    """Where the licences came from, if from a file."""
    requests_per_second: float
    """Of the whole fleet; 0: no limit."""
    requests_per_second_per_token: float
    redis_url: str | None = field(repr=False)
    mongo_uri: str | None = field(repr=False)
    mongo_database: str
    data_dir: Path
    queue_key: str
    lease_seconds: float
    max_deliveries: int
    backoff_seconds: float
    shutdown_seconds: float
    stop_when_drained: bool
    keep_private_fields: bool
    timezone: ZoneInfo
    """In which hours are given and shown."""
    retention: Mapping[str, int]
    """Days by collection; one that is not named is kept for ever."""
    list_every: float
    """Seconds after which the list is looked at, while there is a watch list; 0: never."""
    close_margin: float
    """How many seconds before an hour ends its list is looked at first; 0: it is not."""
    price_per_call: float
    """In whatever currency; 0: not known."""
    archive: bool
    """Whether answers are kept as they came."""
    archive_days: float
    """How long; 0: for ever."""

    @classmethod
    def read(cls, settings: BaseSettings) -> Self:
        """Read and check ``settings``; a name on the command line that nothing reads is an error.

        Raises `ConfigurationError` for a wrong one. A missing endpoint or licence is no error
        here, since most commands need neither: see `require_endpoint`.
        """
        if project.problems:
            raise ConfigurationError(project.problems[0])
        _refuse_unknown(settings)
        return cls.read_known_names(settings)

    @classmethod
    def read_known_names(cls, settings: BaseSettings) -> Self:
        """Read and check ``settings`` as `read` does, for whoever tells of unknown names in another
        way."""
        _hide_secrets(settings)
        _number(settings, "CONCURRENT_REQUESTS", least=1, whole=True)  # Scrapy's own
        log_level(settings)
        return cls(
            api_url=_api_url(settings),
            api_tokens=_tokens(settings),
            tokens_file=_tokens_file(settings),
            requests_per_second=_number(settings, "RANK_REQUESTS_PER_SECOND", least=0),
            requests_per_second_per_token=_number(
                settings, "RANK_REQUESTS_PER_SECOND_PER_TOKEN", least=0
            ),
            redis_url=_redis_url(settings),
            mongo_uri=_url(settings, "MONGO_URI", _MONGO_SCHEMES),
            mongo_database=_database(settings),
            data_dir=_data_dir(settings),
            queue_key=_queue_key(settings),
            lease_seconds=_number(settings, "RANK_LEASE_SECONDS", least=1),
            max_deliveries=int(_number(settings, "RANK_MAX_DELIVERIES", least=1, whole=True)),
            backoff_seconds=_number(settings, "RANK_BACKOFF_SECONDS", least=0),
            shutdown_seconds=_number(settings, "RANK_SHUTDOWN_SECONDS", least=0),
            stop_when_drained=_flag(settings, "RANK_STOP_WHEN_DRAINED"),
            keep_private_fields=_flag(settings, "RANK_KEEP_PRIVATE_FIELDS"),
            timezone=_timezone(settings),
            retention=_retention(settings),
            list_every=_number(settings, "RANK_LIST_EVERY_SECONDS", least=0),
            close_margin=_number(settings, "RANK_CLOSE_MARGIN_SECONDS", least=0),
            price_per_call=_number(settings, "RANK_PRICE_PER_CALL", least=0),
            archive=_flag(settings, "RANK_ARCHIVE"),
            archive_days=_number(settings, "RANK_ARCHIVE_DAYS", least=0),
        )

    @property
    def open_files(self) -> list[Path]:
        """Return the files with a licence or a password in them that other users of this machine
        may read."""
        has_secret = project.file.keys() & {"RANK_API_TOKENS", "REDIS_URL", "MONGO_URI"}
        files = [DOTENV if has_secret else None, self.tokens_file]
        return [path for path in files if path is not None and is_open_to_others(path)]

    def require_endpoint(self) -> None:
        """Raise `ConfigurationError` unless an endpoint and a licence are set."""
        if self.api_url is None:
            raise ConfigurationError(
                "RANK_API_URL is not set: set it to the vendor's http(s)://host[:port], in the "
                "environment, in .env or with -s (or run 'make demo' to see it work on made-up "
                "data)"
            )
        if not self.api_tokens:
            raise ConfigurationError(
                "RANK_API_TOKENS is not set: set it to your licence, or to several separated by "
                "commas, or name a file of them in RANK_API_TOKENS_FILE"
            )


def _hide_secrets(settings: BaseSettings) -> None:
    """See to it that no text which leaves this process from now on holds one of the secrets."""
    urls = [_text(settings, name) or "" for name in ("REDIS_URL", "MONGO_URI", "RANK_API_URL")]
    parameters = settings.getdict("REDIS_PARAMS")
    hide(
        *tokens_in(_text(settings, "RANK_API_TOKENS") or ""),
        *(str(parameters[name]) for name in parameters if "password" in name),
        *(secret for url in (*urls, *proxies()) for secret in secrets_of(url)),
    )


def _refuse_unknown(settings: BaseSettings) -> None:
    """Raise `ConfigurationError` for an unknown name on the command line, where a slip would go
    unnoticed; ``scrapy doctor`` warns of one in the environment, which others may share."""
    known = [name for name in dir(project_settings) if name.startswith(_PREFIX)]
    for name in settings:
        if not str(name).upper().startswith(_PREFIX) or name in known:
            continue
        if settings.getpriority(name) == SETTINGS_PRIORITIES["cmdline"]:
            likely = difflib.get_close_matches(str(name).upper(), known, n=1)
            meant = f": did you mean {likely[0]}?" if likely else ""
            raise ConfigurationError(f"-s {name}: there is no such setting{meant}")


def _text(settings: BaseSettings, name: str) -> str | None:
    """Return the setting's text; an empty value means unset, as in ``REDIS_URL= scrapy crawl``."""
    value = settings.get(name)
    return str(value).strip() or None if value is not None else None


def _api_url(settings: BaseSettings) -> str | None:
    value = _url(settings, "RANK_API_URL", ("http", "https"))
    if value is None:
        return None
    parts = urlsplit(value)
    if parts.username or parts.query or parts.fragment or parts.path not in ("", "/"):
        raise ConfigurationError(
            "RANK_API_URL must be http(s)://host[:port] and nothing more: the path is added, "
            "and licences go in RANK_API_TOKENS"
        )
    return value.rstrip("/")


def _redis_url(settings: BaseSettings) -> str | None:
    value = _url(settings, "REDIS_URL", REDIS_SCHEMES)
    if value is not None and (problem := url_problem(value)) is not None:
        raise ConfigurationError(f"REDIS_URL {problem}")
    return value


def _url(settings: BaseSettings, name: str, schemes: tuple[str, ...]) -> str | None:
    value = _text(settings, name)
    if value is None:
        return None
    expected = " or ".join(f"{scheme}://" for scheme in schemes)
    try:
        parts = urlsplit(value)
        if "@" not in parts.netloc and ":" in parts.netloc and "@" in value:
            raise ConfigurationError(f"{name} {UNESCAPED}")
        # A replica set's host list is no port; only pymongo can read it.
        _ = parts.port if "," not in parts.netloc else None
    except ValueError as error:
        # What urllib says of a port quotes it, and it may be a part of a password.
        reason = "its port must be a number from 0 to 65535" if "ort" in str(error) else "malformed"
        raise ConfigurationError(f"{name} is not a URL: {reason}") from None
    if parts.scheme not in schemes:
        raise ConfigurationError(f"{name} must begin with {expected}")
    if not parts.netloc and parts.scheme != "unix":
        raise ConfigurationError(f"{name} names no host: it must be {schemes[0]}://host[:port]")
    return value


def _tokens(settings: BaseSettings) -> tuple[str, ...]:
    path, inline = _tokens_file(settings), _text(settings, "RANK_API_TOKENS")
    if path is None and inline is None:
        return ()
    where = "RANK_API_TOKENS" if path is None else f"RANK_API_TOKENS_FILE: {path}"
    try:
        tokens = tokens_in(inline or "") if path is None else tokens_in_file(path)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise ConfigurationError(f"{where} cannot be read: {reason}") from None
    if (problem := tokens_problem(tokens)) is not None:
        raise ConfigurationError(f"{where} {problem}")
    return tokens


def tokens_problem(tokens: tuple[str, ...]) -> str | None:
    """Return why the licences cannot be used, as the rest of a sentence that shows none; None if
    they can."""
    if not tokens:
        return "holds no licence: write one or more, separated by commas"
    for nth, token in enumerate(tokens, 1):
        if not all(" " < char <= "~" for char in token):
            return f"has in licence {nth} a character that is no printable ASCII: copy it again"
        if token[0] == token[-1] and token[0] in "\"'":
            return f"has quotes around licence {nth}: take them off, they would be sent with it"
    return None


def _tokens_file(settings: BaseSettings) -> Path | None:
    path = _text(settings, "RANK_API_TOKENS_FILE")
    return Path(path) if path is not None else None


def tokens_in(text: str) -> tuple[str, ...]:
    """Return the licences, which commas, blanks or lines separate; each once, in order."""
    return tuple(dict.fromkeys(text.replace(",", " ").split()))


def tokens_in_file(path: Path) -> tuple[str, ...]:
    """Return the licences in the file, as `tokens_in` does; a line that begins with ``#`` is a
    comment. Raises `OSError` and `UnicodeDecodeError`."""
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    tokens = tokens_in("\n".join(line for line in lines if not line.lstrip().startswith("#")))
    hide(*tokens)
    return tokens


DATABASE_NAMES = 'must be 1 to 63 bytes without any of / \\ . " $ * < > : | ? or space'


def is_database_name(name: str) -> bool:
    """Return whether MongoDB takes the name on every system: see `DATABASE_NAMES`."""
    return 0 < len(name.encode()) <= 63 and not set(name) & set('/\\. "$*<>:|?\0')


_DATABASE = "rankspider"
# MongoDB's own; whoever names one in an address means where its users are kept.
_SYSTEM_DATABASES = ("admin", "local", "config")


def _database(settings: BaseSettings) -> str:
    name = _text(settings, "MONGO_DATABASE")
    if name is None:
        return database_in(_text(settings, "MONGO_URI") or "") or _DATABASE
    if not is_database_name(name):
        raise ConfigurationError(f"MONGO_DATABASE {DATABASE_NAMES}")
    return name


def database_in(uri: str) -> str | None:
    """Return the database that ``uri`` names, as other programs read it."""
    name = unquote(urlsplit(uri).path.strip("/"))
    if not name or name in _SYSTEM_DATABASES:
        return None
    if not is_database_name(name):
        raise ConfigurationError(
            f"MONGO_URI: the name of a database {DATABASE_NAMES}; or leave it out, and set "
            "MONGO_DATABASE"
        )
    return name


def _data_dir(settings: BaseSettings) -> Path:
    """Return the folder of the embedded servers' data; a relative one lies beside scrapy.cfg."""
    value = _text(settings, "RANK_DATA_DIR")
    if value is None:
        raise ConfigurationError("RANK_DATA_DIR must name a folder, such as .rankspider")
    cfg = closest_scrapy_cfg()
    return (Path(cfg).parent if cfg else Path.cwd()) / Path(value).expanduser()


def _queue_key(settings: BaseSettings) -> str:
    key = _text(settings, "RANK_QUEUE_KEY")
    if key is None:
        raise ConfigurationError("RANK_QUEUE_KEY must name a Redis key")
    if not has_a_slot_to_share(key):
        raise ConfigurationError(
            "RANK_QUEUE_KEY: its braces are no hash tag; write one, as in shop:{cn}:anchors, or "
            "none"
        )
    return key


def _timezone(settings: BaseSettings) -> ZoneInfo:
    name = _text(settings, "RANK_TIMEZONE") or ""
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError):  # malformed, a folder, unknown
        raise ConfigurationError(
            f"RANK_TIMEZONE must be an IANA zone such as Asia/Shanghai or UTC: {name!r}"
        ) from None


def _number(settings: BaseSettings, name: str, *, least: float, whole: bool = False) -> float:
    kind = "a whole number" if whole else "a number"
    value = settings.get(name)
    with suppress(TypeError, ValueError):
        number = int(value) if whole else float(value)
        if least <= number < 10**9:
            return number
    raise ConfigurationError(f"{name} must be {kind}, {least} or more: {value!r}")


_LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


def log_level(settings: BaseSettings) -> str:
    """Return ``LOG_LEVEL`` as Python's logging spells it; people write ``info`` too."""
    value = settings.get("LOG_LEVEL")
    level = logging.getLevelName(value) if isinstance(value, int) else str(value).strip().upper()
    if level not in _LOG_LEVELS:
        raise ConfigurationError(f"LOG_LEVEL must be one of {', '.join(_LOG_LEVELS)}: {value!r}")
    return str(level)


def _retention(settings: BaseSettings) -> Mapping[str, int]:
    """Return days by collection, from ``rank_history=90,snapshots=30``."""
    days: dict[str, int] = {}
    for part in (_text(settings, "RANK_RETENTION") or "").replace(",", " ").split():
        name, _, number = part.partition("=")
        known = name in DATED and name not in days
        if not (known and re.fullmatch(r"[0-9]{1,5}", number) and 1 <= int(number) <= _MOST_DAYS):
            raise ConfigurationError(
                "RANK_RETENTION must be like rank_history=90,snapshots=30: days from 1 to "
                f"{_MOST_DAYS}, each once, for any of {', '.join(DATED)}; not {part!r}"
            )
        days[name] = int(number)
    return days


_FLAGS: Mapping[str, bool] = {
    **dict.fromkeys(("1", "true", "yes", "on"), True),
    **dict.fromkeys(("0", "false", "no", "off", "", "none"), False),
}


def _flag(settings: BaseSettings, name: str) -> bool:
    return read_flag(name, settings.get(name))


def read_flag(name: str, value: object) -> bool:
    """Read a switch as people write one: 1/0, true/false, yes/no, on/off."""
    try:
        return _FLAGS[str(value).strip().lower()]
    except KeyError:
        raise ConfigurationError(f"{name} must be 1 or 0: {value!r}") from None
