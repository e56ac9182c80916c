"""Scrapy settings of rankspider: constants and environment reads, no logic.

The project's own settings are read and checked in `rankspider.configuration`; the README
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
MONGO_DATABASE = _environment.get("MONGO_DATABASE", "rankspider")
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
RANK_ARCHIVE = _environment.get("RANK_ARCHIVE", "0")
RANK_ARCHIVE_DAYS = _environment.get("RANK_ARCHIVE_DAYS", "30")

# --- The crawl -----------------------------------------------------------------------------
# One host answers everything, so the limit per domain is the limit.
CONCURRENT_REQUESTS = _environment.get("CONCURRENT_REQUESTS") or "16"
CONCURRENT_REQUESTS_PER_DOMAIN = CONCURRENT_REQUESTS
# Scrapy starts as many tasks for every answer, whatever it brings; most bring a few items.
CONCURRENT_ITEMS = 4
# 16 answers of 450 KB pass the default of 5 MB; past it Scrapy stops downloading.
SCRAPER_SLOT_MAX_ACTIVE_SIZE = 64 * 1024 * 1024
DOWNLOAD_TIMEOUT = 30
DOWNLOAD_MAXSIZE = 100 * 1024 * 1024
DOWNLOAD_VERIFY_CERTIFICATES = True
DOWNLOAD_HANDLERS = {
    "http": "rankspider.crawl.download.LicensedDownloadHandler",
    "https": "rankspider.crawl.download.LicensedDownloadHandler",
}
# An anchor that failed goes back to the queue and waits there, so nothing is tried again in
# place; every status reaches the spider, which knows what it means.
RETRY_ENABLED = False
HTTPERROR_ALLOW_ALL = True
# A redirect could carry the licence to another host.
REDIRECT_ENABLED = False
METAREFRESH_ENABLED = False
COOKIES_ENABLED = False
ROBOTSTXT_OBEY = False
REFERER_ENABLED = False

ITEM_PIPELINES = {
    "rankspider.pipelines.archive.ArchivePipeline": 50,
    "rankspider.pipelines.validate.ValidatePipeline": 100,
    "rankspider.pipelines.dedupe.DedupePipeline": 200,
    "rankspider.pipelines.store.StorePipeline": 300,
}
EXTENSIONS = {"rankspider.crawl.shutdown.ShutdownExtension": 0}
SPIDER_MIDDLEWARES = {
    # Nearest the engine, so that it sees what finally leaves the spider.
    "rankspider.crawl.acknowledge.AcknowledgeMiddleware": 10,
}
STATS_CLASS = "rankspider.crawl.stats.QuickStatsCollector"

# --- What runs beside it ---------------------------------------------------------------------
# Both run code sent over localhost.
TELNETCONSOLE_ENABLED = False
REMOTE_CONTROL_ENABLED = False
LOG_LEVEL = _environment.get("LOG_LEVEL") or "INFO"
LOG_FORMATTER = "rankspider.crawl.log_formatter.RankLogFormatter"
# Both servers speak for themselves in one line each.
LOG_VERSIONS: list[str] = []
