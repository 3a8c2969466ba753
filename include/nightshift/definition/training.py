"""How a challenger is trained."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from nightshift.definition.base import DuckDbSql, StrictModel, ValueType
from nightshift.definition.class_weight import ClassWeight
from nightshift.definition.duration import Days
from nightshift.definition.metrics import MetricName

CalibrationMethod = Literal["sigmoid", "isotonic"]
Imputation = Literal["median", "mean", "most_frequent"]
ESTIMATOR_FILE = "estimator.py"


class Estimator(StrictModel):
    """The estimator that is fitted: a class of scikit-learn, LightGBM or XGBoost, or what `estimator.py` returns."""

    class_: Annotated[str, ValueType("dotted name")] | None = Field(
        None,
        alias="class",
        pattern=r"^[A-Za-z_][\w.]*\.[A-Za-z_]\w*$",
        description="A classifier with `predict_proba`; a regressor if the label is a number. Such as "
        "`lightgbm.LGBMClassifier`; [which libraries](training.md#estimators). Required without "
        "[`estimator.py`](#an-estimator-of-your-own-estimatorpy), not allowed with it.",
    )
    params: dict[str, Any] = Field({}, description="Its arguments. With `estimator.py`, the first argument.")


class Search(StrictModel):
    """A grid of parameters, tried on folds that are ordered by time; the best ones are used for training."""

    grid: Annotated[dict[str, tuple[Any, ...]], ValueType("parameter: list of values")] = Field(
        min_length=1, description="The values to try, in [every combination](training.md#searching-parameters)."
    )
    folds: int = Field(3, ge=1, le=20, description="The number of folds, which are ordered by time.")
    metric: MetricName | None = Field(
        None, description="The metric that decides. If left out, `roc_auc`; of a number `rmse`."
    )


class Calibration(StrictModel):
    """How raw scores become probabilities. Not allowed if the label is a number."""

    method: CalibrationMethod = Field(
        "sigmoid", description="How raw scores become [probabilities](training.md#calibrated-probabilities)."
    )
    period: Days = Field(description="The newest days of `training.period`, on which only the calibration is fitted.")


class Training(StrictModel):
    """How a challenger is trained, and when without a request.

    Categories are passed as codes, missing values and categories that are unknown to the training as NaN, unless they
    are imputed.
    The estimator learns which features are categories if its class takes that. Only estimators that can be stored
    without executable code are accepted: most of scikit-learn's own, LightGBM's and XGBoost's, and pipelines of them.
    """

    estimator: Estimator = Field(Estimator(), description="The estimator that is fitted.")
    search: Search | None = Field(None, description="A search for the best parameters. Without it, `params` are used.")
    impute: Imputation | None = Field(
        None,
        description="The statistic of a feature's training rows that "
        "[takes the place of a missing value](training.md#missing-values); of a category always the most frequent "
        "one. Needed by an estimator that takes no missing values, if there are any.",
    )
    weight: DuckDbSql | None = Field(
        None,
        description="The [weight of a training row](training.md#weights), over the features, the observation's key, "
        "`score_date` and `label`: a finite number, 0 or more. Without it, all rows weigh the same.",
    )
    class_weight: ClassWeight | None = Field(
        None,
        description="What the rows of a class weigh: `balanced`, so that both classes weigh the same together, or a "
        "weight by label, such as `{true: 3}`; a class without one weighs 1. Not allowed if the label is a number.",
    )
    calibration: Calibration | None = Field(
        None,
        description="How raw scores become probabilities. Without it, they are used as they are. Not allowed if the "
        "label is a number.",
    )
    period: Days = Field(
        description="How many labelled days before the holdout the model learns from; fewer if the history is shorter."
    )
    holdout: Days = Field(description="The newest labelled days, kept from training, on which the gate judges.")
    refit: bool = Field(
        False,
        description="Whether a model that passes its gate is "
        "[fitted again with the holdout's rows](training.md#the-newest-rows), before it is registered.",
    )
    min_rows: int = Field(
        100, ge=1, description="The fewest labelled rows in the period. With fewer rows nothing is trained."
    )
    max_rows: int | None = Field(
        None,
        ge=1000,
        description="If the period has more observations than this, the model learns from a "
        "[fixed sample](training.md#the-training-set) of them.",
    )
    max_holdout_rows: int | None = Field(
        None,
        ge=1000,
        description="If the holdout has more observations than this, the gate judges on a "
        "[fixed sample](training.md#the-training-set) of them.",
    )
    cadence: Annotated[str, ValueType("cron")] = Field(
        description="When to train without a request, as a safety net; in the schedule's time zone."
    )
    seed: int = Field(0, description="The `random_state`, if the class takes one.")
