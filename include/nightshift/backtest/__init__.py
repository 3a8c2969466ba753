"""Backtests: what policies of retraining would have come to on a model's own history, with real trainings."""
