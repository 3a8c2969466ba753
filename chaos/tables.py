"""Compares the tables and the registries of two installations, and finds what was left behind in one."""
