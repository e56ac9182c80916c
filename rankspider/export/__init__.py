"""The lake's collections as files for analysts: Parquet, JSON Lines or CSV, an hour a file."""
