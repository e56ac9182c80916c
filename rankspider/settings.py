"""Scrapy settings of rankspider: constants and environment reads, no logic.

The project's own settings are read and checked in `rankspider.configuration`; docs/settings.md
lists them. ``-s NAME=VALUE`` wins over the environment, the environment over a ``.env`` file.
"""

from rankspider.environment import project as _environment

BOT_NAME = "rankspider"
SPIDER_MODULES = ["rankspider.spiders"]
NEWSPIDER_MODULE = "rankspider.spiders"
COMMANDS_MODULE = "rankspider.commands"

# --- The project's own, each also an environment variable ---------------------------------
RANK_API_URL = _environment.get("RANK_API_URL")
RANK_API_TOKENS = _environment.get("RANK_API_TOKENS")
RANK_API_TOKENS_FILE = _environment.get("RANK_API_TOKENS_FILE")
RANK_REQUESTS_PER_SECOND = _environment.get("RANK_REQUESTS_PER_SECOND", "0")
RANK_REQUESTS_PER_SECOND_PER_TOKEN = _environment.get("RANK_REQUESTS_PER_SECOND_PER_TOKEN", "0")
REDIS_URL = _environment.get("REDIS_URL")
MONGO_URI = _environment.get("MONGO_URI")
MONGO_DATABASE = _environment.get("MONGO_DATABASE")
RANK_DATA_DIR = _environment.get("RANK_DATA_DIR", ".rankspider")
RANK_QUEUE_KEY = _environment.get("RANK_QUEUE_KEY", "goods_rank:anchors")
RANK_LEASE_SECONDS = _environment.get("RANK_LEASE_SECONDS", "60")
RANK_MAX_DELIVERIES = _environment.get("RANK_MAX_DELIVERIES", "12")
RANK_BACKOFF_SECONDS = _environment.get("RANK_BACKOFF_SECONDS", "1")
RANK_SHUTDOWN_SECONDS = _environment.get("RANK_SHUTDOWN_SECONDS", "30")
RANK_STOP_WHEN_DRAINED = _environment.get("RANK_STOP_WHEN_DRAINED", "0")
RANK_KEEP_PRIVATE_FIELDS = _environment.get("RANK_KEEP_PRIVATE_FIELDS", "0")
RANK_RETENTION = _environment.get("RANK_RETENTION")
RANK_TIMEZONE = _environment.get("RANK_TIMEZONE", "Asia/Shanghai")
RANK_LIST_EVERY_SECONDS = _environment.get("RANK_LIST_EVERY_SECONDS", "30")
RANK_CLOSE_MARGIN_SECONDS = _environment.get("RANK_CLOSE_MARGIN_SECONDS", "8")
RANK_PRICE_PER_CALL = _environment.get("RANK_PRICE_PER_CALL", "0")
RANK_ARCHIVE = _environment.get("RANK_ARCHIVE", "0")
RANK_ARCHIVE_DAYS = _environment.get("RANK_ARCHIVE_DAYS", "30")

# --- The crawl: what else belongs to the one spider is in its custom_settings ------------------
# One host answers everything, so the limit per domain is the limit.
CONCURRENT_REQUESTS = _environment.get("CONCURRENT_REQUESTS") or "16"
CONCURRENT_REQUESTS_PER_DOMAIN = CONCURRENT_REQUESTS

# --- What runs beside it ---------------------------------------------------------------------
# Both run code sent over localhost.
TELNETCONSOLE_ENABLED = False
REMOTE_CONTROL_ENABLED = False
LOG_LEVEL = _environment.get("LOG_LEVEL") or "INFO"
# Both servers speak for themselves in one line each.
LOG_VERSIONS: list[str] = []
