"""What ends a benchmark: a run that did not do what it was to do gives no figure."""


class BenchmarkError(Exception):
    """One line that says what went wrong, and where its log is."""
