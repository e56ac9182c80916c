"""Put what the spider of this project cannot do without beside whatever the user has."""

from collections.abc import Mapping
from typing import Any

from scrapy.settings import SETTINGS_PRIORITIES, BaseSettings
from scrapy.utils.misc import load_object

from rankspider import settings as project_settings
from rankspider.errors import ConfigurationError

SETTINGS: dict[str, Any] = {
    # Scrapy starts as many tasks for every answer, whatever it brings; most bring a few items.
    "CONCURRENT_ITEMS": 4,
    # 16 answers of 450 KB pass the default of 5 MB; past it Scrapy stops downloading.
    "SCRAPER_SLOT_MAX_ACTIVE_SIZE": 64 * 1024 * 1024,
    "DOWNLOAD_TIMEOUT": 30,
    "DOWNLOAD_MAXSIZE": 100 * 1024 * 1024,
    "DOWNLOAD_VERIFY_CERTIFICATES": True,
    "DOWNLOAD_HANDLERS": {
        "http": "rankspider.crawl.download.LicensedDownloadHandler",
        "https": "rankspider.crawl.download.LicensedDownloadHandler",
    },
    # An anchor that failed goes back to the queue and waits there, so nothing is tried again in
    # place; every status reaches the spider, which knows what it means.
    "RETRY_ENABLED": False,
    "HTTPERROR_ALLOW_ALL": True,
    # A redirect could carry the licence to another host.
    "REDIRECT_ENABLED": False,
    "METAREFRESH_ENABLED": False,
    "COOKIES_ENABLED": False,
    "ROBOTSTXT_OBEY": False,
    "REFERER_ENABLED": False,
    "FEED_EXPORT_ENCODING": "utf-8",
    "STATS_CLASS": "rankspider.crawl.stats.QuickStatsCollector",
    "LOG_FORMATTER": "rankspider.crawl.log_formatter.RankLogFormatter",
}
"""The spider's ``custom_settings``; ``-s`` wins over them."""

_FEED_EXPORTERS = {
    "json": "rankspider.crawl.feeds.FlatJsonExporter",
    "jsonlines": "rankspider.crawl.feeds.FlatJsonLinesExporter",
    "jsonl": "rankspider.crawl.feeds.FlatJsonLinesExporter",
    "jl": "rankspider.crawl.feeds.FlatJsonLinesExporter",
    "csv": "rankspider.crawl.feeds.FlatCsvExporter",
    "xml": "rankspider.crawl.feeds.FlatXmlExporter",
}

_PARTS: Mapping[str, Mapping[str, int | None]] = {
    "EXTENSIONS": {"rankspider.crawl.worker.Worker": 0},
    "ITEM_PIPELINES": {
        "rankspider.pipelines.validate.ValidatePipeline": 100,
        "rankspider.pipelines.store.StorePipeline": 300,
    },
    "SPIDER_MIDDLEWARES": {
        # Nearest the engine, so that it sees what finally leaves the spider.
        "rankspider.crawl.acknowledge.AcknowledgeMiddleware": 10,
        # Each of these takes time for every answer and has nothing to do here: one address is
        # asked, no request comes from an answer, and every status is read.
        "scrapy.spidermiddlewares.depth.DepthMiddleware": None,
        "scrapy.spidermiddlewares.httperror.HttpErrorMiddleware": None,
        "scrapy.spidermiddlewares.metacopy.MetaCopyDetectionMiddleware": None,
        "scrapy.spidermiddlewares.urllength.UrlLengthMiddleware": None,
    },
    "DOWNLOADER_MIDDLEWARES": {
        "scrapy.downloadermiddlewares.httpauth.HttpAuthMiddleware": None,
        "scrapy.downloadermiddlewares.offsite.OffsiteMiddleware": None,
    },
}


def add_parts(settings: BaseSettings) -> None:
    """Put the spider's own parts into the dictionaries of ``settings``, beside the user's.

    Not into one of the command line, which Scrapy takes for the whole. A script that runs the
    spider without the project's settings gets those as well.
    """
    settings.setmodule(project_settings, priority="default")
    exporters = {**_FEED_EXPORTERS, **settings.getdict("FEED_EXPORTERS")}
    settings.set("FEED_EXPORTERS", exporters, priority="spider")
    for name, parts in _PARTS.items():
        if (settings.getpriority(name) or 0) >= SETTINGS_PRIORITIES["cmdline"]:
            continue
        for path, order in parts.items():
            settings.setdefault_in_component_priority_dict(name, load_object(path), order)
        # Scrapy's process puts the project's own over whatever is of its priority or less.
        settings.set(name, settings.getdict(name), priority="spider")


def require_parts(settings: BaseSettings) -> None:
    """Raise `ConfigurationError` for settings with which no anchor would ever be acknowledged, or
    calls would be paid for in vain."""
    for name, parts in _PARTS.items():
        there = {
            load_object(part) for part, order in settings.getdict(name).items() if order is not None
        }
        for path in (path for path, order in parts.items() if order is not None):
            if load_object(path) not in there:
                raise ConfigurationError(
                    f"{name}: it leaves out {path}, without which no anchor would ever be "
                    f"acknowledged. Put your own into {name} of settings.py, beside which ours "
                    "stay, or name ours as well"
                )
    handlers = {**SETTINGS["DOWNLOAD_HANDLERS"], **settings.getdict("DOWNLOAD_HANDLERS")}
    for scheme, path in SETTINGS["DOWNLOAD_HANDLERS"].items():
        if load_object(handlers[scheme]) is not load_object(path):
            raise ConfigurationError(
                f"DOWNLOAD_HANDLERS: {scheme} must be {path}, which puts the licence into each call"
            )
    if str(settings.get("SCHEDULER")).startswith("scrapy_redis."):
        raise ConfigurationError(
            "SCHEDULER: take it out. Anchors wait in Redis already, and a call that waits there as "
            "well would be made, and paid for, twice"
        )
    if settings.get("JOBDIR"):
        raise ConfigurationError(
            "JOBDIR: take it out. The queue is in Redis already, and calls kept in a folder would "
            "be made, and paid for, twice"
        )
