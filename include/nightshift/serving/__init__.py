"""Serving: the API by which other systems get the scores of a night, and those of rows that they send."""
