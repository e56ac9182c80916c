"""Answers as they came: kept in few bytes, found again, and run through today's code."""
