"""Stored models: an artifact that cannot execute code, its digest, and MLflow's aliases."""
