"""Scrapy, and nothing else."""
