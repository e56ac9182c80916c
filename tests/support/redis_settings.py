"""Settings that name a Redis."""

from typing import Any

from scrapy.settings import Settings

from rankspider.configuration import Configuration

# --- What is done on each -----------------------------------------------------------------------


def settings_of(url: str, key: str, **more: Any) -> Settings:
    values = {"REDIS_URL": url, "RANK_QUEUE_KEY": key, **more}
    settings = Settings()
    settings.setmodule("rankspider.settings")
    settings.setdict(values, priority="cmdline")
    Configuration.read(settings)
    return settings
