"""Measurements of Nightshift against the bars it promises: `make bench`."""
