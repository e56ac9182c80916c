"""The project one writes from the documentation of Scrapy, scrapy-redis and pymongo."""
