"""Archived answers through today's code, into a lake of choice."""
