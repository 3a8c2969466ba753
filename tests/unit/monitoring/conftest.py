"""What the tests of monitoring share: the tiny model in an installation with a real MLflow."""

from unit.registry.conftest import empty_mlflow, project

__all__ = ["empty_mlflow", "project"]
