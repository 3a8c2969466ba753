"""The grocer's `household_lapse` with a week to learn from and a week to be judged on."""

from __future__ import annotations

import shutil
from datetime import date, timedelta
from pathlib import Path

from ruamel.yaml import YAML

from nightshift.settings import PROJECT

MODEL = "household_lapse"
NIGHTS = date(2017, 5, 10), date(2017, 5, 11)
WITHIN = timedelta(days=84)
# At 06:00 of the first night the sales up to 9 May are there: the newest window that is over began 28 days before.
HELD_OUT = date(2017, 4, 5), date(2017, 4, 11)
LEARNED = date(2017, 3, 2), date(2017, 3, 8)


def write_model(models: Path) -> None:
    """Writes its definition to a folder of definitions."""
    folder = shutil.copytree(PROJECT / "include" / "models" / MODEL, models / MODEL)
    tree = YAML().load(file := folder / "model.yaml")
    tree["training"] |= {"period": "7d", "holdout": "7d"}
    YAML().dump(tree, file)
