"""What cannot be exported is said by name."""

from __future__ import annotations

from nightshift.errors import TerminalError

INSTEAD = "serve the version by `nightshift serve` or MLflow"
EXPORTED = (
    "scikit-learn's linear and logistic models and histogram gradient boosting, LightGBM's and XGBoost's trees, after "
    "its scalers, imputers, one-hot encoders, pipelines and column transformers"
)


def not_exported(part: str, received: object) -> TerminalError:
    """The error of a part that has no form in ONNX here.

    Args:
        part: What cannot be exported.
        received: Its value or its type.
    """
    return TerminalError(
        "this cannot be exported",
        where=part,
        received=received,
        allowed=EXPORTED,
        fix=f"{INSTEAD}, or train one without this",
    )
