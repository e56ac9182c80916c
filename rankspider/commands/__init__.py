"""Scrapy commands of this project, one ``Command`` a module; ``COMMANDS_MODULE`` names this."""
