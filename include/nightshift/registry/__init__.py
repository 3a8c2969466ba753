"""Models as they are kept: an artifact that cannot execute code, its digest, and MLflow's aliases."""
