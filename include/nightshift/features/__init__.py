"""Features: one computation for training, scoring and backfill, blind to anything after the cutoff."""
