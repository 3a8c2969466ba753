"""Deletes the records of a model's DAGs from Airflow's database.

python -m nightshift_airflow.delete_dags churn
"""

from __future__ import annotations

import sys
from contextlib import suppress

from airflow.api.common.delete_dag import delete_dag
from airflow.exceptions import AirflowException, DagNotFound

VERBS = ("score", "monitor", "train")


def main(model: str) -> None:
    """Deletes runs, tasks and everything else that Airflow has of a model's DAGs; its log of user actions stays."""
    for verb in VERBS:
        dag_id = f"{model}.{verb}"
        try:
            with suppress(DagNotFound):
                delete_dag(dag_id)
        except AirflowException as error:
            sys.exit(f"{dag_id}: {error}")


if __name__ == "__main__":
    main(sys.argv[1])
