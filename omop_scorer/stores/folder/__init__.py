"""Results in a folder of Parquet files."""
