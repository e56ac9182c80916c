"""One file for each kind of question; each scenario returns lines of the table."""
