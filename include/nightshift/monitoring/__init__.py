"""Monitoring: drift, outcomes, and the decision whether to ask for a retrain."""
