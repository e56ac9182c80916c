"""Scrapy as its documentation says to set it for speed; its own download handler.

https://docs.scrapy.org/en/latest/topics/broad-crawls.html: no cookies, no retries, no redirects,
little log. The rest is Scrapy's default.
"""

import os

BOT_NAME = "empty"
SPIDER_MODULES = ["empty.spiders"]

CONCURRENT_REQUESTS = int(os.environ.get("CONCURRENT_REQUESTS", "16"))
CONCURRENT_REQUESTS_PER_DOMAIN = CONCURRENT_REQUESTS
# 16 answers of 450 KB pass the default of 5 MB; past it Scrapy stops downloading.
SCRAPER_SLOT_MAX_ACTIVE_SIZE = 64 * 1024 * 1024
COOKIES_ENABLED = False
RETRY_ENABLED = False
REDIRECT_ENABLED = False
ROBOTSTXT_OBEY = False
TELNETCONSOLE_ENABLED = False
REMOTE_CONTROL_ENABLED = False
LOG_LEVEL = "INFO"
