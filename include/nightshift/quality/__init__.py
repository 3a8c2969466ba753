"""Data quality: the checks a definition implies, run over what is staged, before it is published."""
