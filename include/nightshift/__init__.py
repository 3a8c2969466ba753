"""Nightshift: one folder per model becomes a production loop that runs every night."""

import os

# The libraries that Nightshift uses send nothing anywhere and draw no progress bars of their own. Set here, so that it
# holds whichever module is imported first, and so that every process has the same environment.
QUIET = {
    "DO_NOT_TRACK": "true",
    "GX_ANALYTICS_ENABLED": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "TQDM_DISABLE": "1",
}
for _name, _value in QUIET.items():
    os.environ.setdefault(_name, _value)
