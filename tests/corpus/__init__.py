"""The bad-input corpus: faults of landed files, each made from a real file, each with what becomes of it."""
