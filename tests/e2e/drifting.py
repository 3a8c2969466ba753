"""The tiny model in a world that shifts, of the same sources: its machines are busy, and fail, from a day on."""

from __future__ import annotations

import shutil
from datetime import date, timedelta
from pathlib import Path

from ruamel.yaml import YAML

from nightshift.settings import PROJECT

MODEL = "drifting"
# So many nights must breach that the training they ask for learns from a day of the new regime: of the labelled days
# since the shift, one less than nights have breached, the holdout takes the newest.
HOLDOUT, NEEDED = 5, 7
FIRST, SHIFTED = date(2024, 1, 16), date(2024, 1, 18)
REQUEST = SHIFTED + timedelta(days=NEEDED - 1)
LAST = REQUEST + timedelta(days=1)
MACHINES = 120


def write_model(models: Path) -> None:
    """Writes its definition to a folder of definitions."""
    folder = shutil.copytree(PROJECT / "tests" / "models" / "tiny", models / MODEL)
    tree = YAML().load(file := folder / "model.yaml")
    tree["name"] = MODEL
    tree["schedule"]["end"] = date(2024, 12, 31)  # or the cadence would ask for a training of today
    tree["training"] |= {"period": "6d", "holdout": f"{HOLDOUT}d"}
    tree["gate"]["against_champion"] = {"metric": "roc_auc", "margin": 0.05}
    # Not how often machines failed: it follows the load days later, and would still move under the new version.
    retrain = {"nights": NEEDED, "of_last": NEEDED, "cooldown": "1d"}
    tree["monitoring"] = {"features": ["busy", "kind"], "retrain": retrain}
    YAML().dump(tree, file)
    landing = folder / "landing.py"
    text = landing.read_text()
    for old, new in {
        "MACHINES = 60": f"MACHINES = {MACHINES}",
        "random.uniform(size=MACHINES)\n": f"random.uniform(0.5 if str(day) >= '{SHIFTED}' else 0, 1, MACHINES)\n",
    }.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    landing.write_text(text)
