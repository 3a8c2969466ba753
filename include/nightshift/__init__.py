"""Nightshift: one folder per model becomes a production loop that runs every night."""
