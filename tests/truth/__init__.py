"""An independent truth: a market, an endpoint and a checker that share no code with the project.

What the endpoint said is in its own log. From that, and from the calls on record, the whole lake
is worked out in plain Python and compared document for document. ``python -m tests.truth --help``.
"""
