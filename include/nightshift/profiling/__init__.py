"""Proposes the contract of a source from its landed files; the command `nightshift profile-source` prints it."""
