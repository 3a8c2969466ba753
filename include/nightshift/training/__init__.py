"""Training a challenger on labelled history, and the gate it must pass on the holdout."""
