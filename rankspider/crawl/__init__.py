"""Holds what Scrapy calls beside the spider and the pipelines, and the worker whose objects all
share."""
