"""Alerts: one clear message an incident, to a file, a webhook and mail."""
