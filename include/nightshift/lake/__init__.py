"""The lake: reads landed files, stages Parquet, and publishes Iceberg tables by one atomic commit."""
