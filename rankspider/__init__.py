"""rankspider: the hourly sales list of Douyin live, from a Redis queue of anchors to MongoDB."""

__version__ = "0.2.0"
