"""Scoring in Spark over Arrow batches."""
