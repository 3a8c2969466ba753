"""Alerts: one message per incident, to a file, a webhook and mail."""
