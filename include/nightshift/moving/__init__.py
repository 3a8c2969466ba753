"""Moves an installation: copies tables with their snapshots, versions, landed files and pages, and compares both."""
