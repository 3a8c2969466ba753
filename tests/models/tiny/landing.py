"""Makes days of machines: the busier a machine, the likelier it fails."""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterator
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from nightshift.definition.calendar import date_range

MACHINES = 60


def landed_files(first: date, last: date) -> Iterator[tuple[str, str, bytes]]:
    """Every file that lands for the dates from `first` to `last`."""
    for day in date_range(first, last):
        random = np.random.default_rng(day.toordinal())
        names = [f"{'abc'[i % 3]}{i:02d}" for i in range(MACHINES)]
        load = random.uniform(size=MACHINES)
        failed = random.uniform(size=MACHINES) < load**2
        lines = "\n".join(f"{name},{value:.4f}" for name, value in zip(names, load, strict=True))
        yield "plan", str(day), gzip.compress(f"machine,load\n{lines}\n".encode())
        sink = io.BytesIO()
        pq.write_table(pa.table({"machine": names, "failed": failed}), sink)
        yield "failures", str(day), sink.getvalue()
