"""A definition whose label is over a window: what customers of shops buy after they were observed."""

from __future__ import annotations

from pathlib import Path

from nightshift.definition.load import load_definition
from nightshift.definition.model import ModelDefinition

ZONE = "America/New_York"  # clocks changed on 10 March and on 3 November 2024
MODEL = """
name: shops
description: What becomes of a shop's customers.
owner: tests
schedule: {{timezone: {zone}, at: "{at}", start: 2024-01-01}}
wait: {{timeout: 2s, poll: 1s}}
sources:
  customers:
    description: The customers of a day.
    path: customers-{{date}}.parquet
    available: {{after: 0h}}
    key: [shop, customer]
    columns:
      shop: {{type: string, required: true}}
      customer: {{type: integer, required: true}}
  sales:
    description: What they buy.
    path: sales-{{date}}.parquet
    available: {{after: {after}}}
    event_time: {event_time}
    {restates}
    columns:
      shop: {{type: string}}
      customer: {{type: {customer}}}
      sold_at: {{type: timestamp}}
      amount: {{type: number}}
observations: {{source: customers, key: [shop, customer]}}
label: {label}
features:
  rows:
    of_shop: {{expression: shop, type: category, description: Shop}}
training:
  estimator: {{class: {estimator}}}
  period: 60d
  holdout: 14d
  cadence: "0 7 * * 1"
gate: {{minimum: {{{gate}}}}}
monitoring:
  retrain: {{age: 90d, cooldown: 7d}}
"""
CLASSIFIER, REGRESSOR = "sklearn.ensemble.HistGradientBoostingClassifier", "sklearn.linear_model.LinearRegression"
DECLARED = {"at": "06:00", "after": "30h", "restates": "", "zone": ZONE, "event_time": "sold_at", "customer": "integer"}


def shops(folder: Path, label: str, **changes: str) -> ModelDefinition:
    """A definition with a label over the sales; `changes` replace values of `DECLARED`."""
    boolean = any(f"agg: {name}" in label for name in ("any", "none"))
    category = "classes:" in label
    folder = folder / "models" / "shops"
    folder.mkdir(parents=True, exist_ok=True)
    metric = "roc_auc: 0.5" if boolean else "accuracy: 0.1" if category else "mae: 1000"
    estimator, gate = CLASSIFIER if boolean or category else REGRESSOR, metric
    text = MODEL.format(label=label, **{"estimator": estimator, "gate": gate} | DECLARED | changes)
    (folder / "model.yaml").write_text(text)
    return load_definition(folder)
