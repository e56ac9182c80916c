"""Validate, dedupe, store: one file each."""
