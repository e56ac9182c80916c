"""The questions people ask of the lake: a function each, from a database to typed rows.

Each says its query as mongosh takes it, and the index that answers it.
"""
