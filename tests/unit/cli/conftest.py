"""What tests of the command line share: an installation with a real MLflow in it."""

from unit.registry.conftest import empty_mlflow, loop  # noqa: F401
