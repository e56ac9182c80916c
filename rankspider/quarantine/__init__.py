"""Rejected records: shown, and tried again by today's code."""
