"""The lake: landed files in, staged Parquet, Iceberg tables published by one atomic commit."""
