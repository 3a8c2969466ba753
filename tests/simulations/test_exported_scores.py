"""100,000 rows of each kind of estimator, link and calibration, scored by the version and by its graph."""

from __future__ import annotations

import pytest
from unit.export.test_onnx_model import VERSIONS, require_equal_scores

pytestmark = pytest.mark.full


@pytest.mark.parametrize("name", VERSIONS)
def test_a_graph_gives_the_scores_of_its_version(name: str) -> None:
    require_equal_scores(name, 50_000)
