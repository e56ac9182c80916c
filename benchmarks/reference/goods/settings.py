"""Settings as the documentation of scrapy-redis and Scrapy advises for an API crawled fast."""

import os

BOT_NAME = "goods"
SPIDER_MODULES = ["goods.spiders"]

# scrapy-redis: the queue of requests, and what was asked already, live in Redis.
SCHEDULER = "scrapy_redis.scheduler.Scheduler"
DUPEFILTER_CLASS = "scrapy_redis.dupefilter.RFPDupeFilter"
REDIS_URL = os.environ["REDIS_URL"]
# Ends so many seconds after the queue ran empty.
MAX_IDLE_TIME_BEFORE_CLOSE = 3

MONGO_URI = os.environ["MONGO_URI"]
MONGO_DATABASE = os.environ["MONGO_DATABASE"]
API_URL = os.environ["RANK_API_URL"]
API_TOKEN = os.environ["RANK_API_TOKENS"]

CONCURRENT_REQUESTS = int(os.environ.get("CONCURRENT_REQUESTS", "16"))
CONCURRENT_REQUESTS_PER_DOMAIN = CONCURRENT_REQUESTS
ROBOTSTXT_OBEY = False
COOKIES_ENABLED = False
TELNETCONSOLE_ENABLED = False
REMOTE_CONTROL_ENABLED = False

ITEM_PIPELINES = {
    "goods.pipelines.ValidatePipeline": 100,
    "goods.pipelines.DuplicatesPipeline": 200,
    "goods.pipelines.MongoPipeline": 300,
}
