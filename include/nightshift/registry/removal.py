"""Removes what MLflow has of a model whose definition is gone."""

from __future__ import annotations

from nightshift.registry.store import Registry

# The name of an experiment that is being removed. MLflow keeps a deleted experiment under its name, and a later model
# of that name could not have one. No model has a dot in its name.
REMOVED = "{model}.removed.{id}"


def count_versions(registry: Registry) -> int:
    """The number of versions that are registered."""
    return len(registry.versions())


def experiments_of(registry: Registry) -> list[str]:
    """The ids of the model's experiments, also of one whose removal was interrupted."""
    return [
        str(experiment.experiment_id)
        for experiment in registry.client.search_experiments()
        if experiment.name == registry.model
        or experiment.name == REMOVED.format(model=registry.model, id=experiment.experiment_id)
    ]


def has_registered_model(registry: Registry) -> bool:
    """Whether MLflow has a registered model of this name, with versions or without."""
    return bool(registry.client.search_registered_models(filter_string=f"name = '{registry.model}'"))


def remove_from_mlflow(registry: Registry) -> None:
    """Deletes the registered model with its versions, and the experiment with its runs.

    MLflow keeps the runs and artifacts of a deleted experiment until `mlflow gc` purges them.
    """
    with registry.lock():
        if has_registered_model(registry):
            registry.client.delete_registered_model(registry.model)
        for experiment_id in experiments_of(registry):
            name = REMOVED.format(model=registry.model, id=experiment_id)
            registry.client.rename_experiment(experiment_id, name)
            registry.client.delete_experiment(experiment_id)
