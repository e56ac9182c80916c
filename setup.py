"""All is in pyproject.toml; `scrapyd-deploy` builds its egg by this file."""

from setuptools import setup

setup()
