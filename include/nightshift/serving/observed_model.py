"""The observations of a model that callers send: their features, as of the newest night or of another."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from dataclasses import replace
from datetime import date

from nightshift.errors import NightshiftError, NotYetAvailable, TerminalError
from nightshift.lake.read import NO_SNAPSHOT, allowed_dates, published_dates, snapshot_of
from nightshift.lake.tables import features_table
from nightshift.project import Project
from nightshift.serving.feature_rows import CheckedRows
from nightshift.serving.night_state import NightState, load_state
from nightshift.serving.observation_rows import ObservationContract
from nightshift.serving.observed_features import FeatureComputation
from nightshift.serving.refusals import RowError
from nightshift.serving.request_body import SentRows
from nightshift.serving.row_engine import RowEngine

log = logging.getLogger(__name__)

MOST_NIGHTS = 2  # beside the newest, whose states are kept


class ObservedModel:
    """Computes the features of observations that callers send.

    Args:
        project: The model.

    Attributes:
        refusal: Why it cannot, since the definition has an expression that only Spark evaluates; None if it can.
    """

    def __init__(self, project: Project) -> None:
        self.project = project
        self.refusal: TerminalError | None = None
        engine = RowEngine()
        self._contract = ObservationContract(project.definition, engine)
        try:
            self._computation = FeatureComputation(project.definition, engine)
        except TerminalError as error:
            self.refusal = error
        self._lock = threading.Lock()
        self._newest: NightState | None = None
        self._snapshot = NO_SNAPSHOT
        self._others: OrderedDict[date, NightState] = OrderedDict()

    def state(self, night: date | None) -> NightState:
        """The state of a night; of the newest one whose features are published if None.

        Raises:
            NotYetAvailable: If the night's features are not published.
            TerminalError: If the definition's features can only be computed by Spark.
        """
        if self.refusal is not None:
            raise self.refusal
        newest = self._newest
        if newest is not None and night in (None, newest.night):
            return newest
        with self._lock:
            if night is None:
                return self._load_newest()
            if night not in self._others:
                self._require_published(night)
                self._others[night] = load_state(self.project, night, self._computation.sql)
            self._others.move_to_end(night)
            while len(self._others) > MOST_NIGHTS:
                self._others.popitem(last=False)
            return self._others[night]

    def follow(self) -> None:
        """Forgets the states of nights if features were published since, and loads the newest one if it was asked for.

        Whatever fails, the state that was loaded stays.
        """
        if self._newest is None and not self._others:
            return
        try:
            with self._lock:
                snapshot = snapshot_of(self.project.lake, features_table(self.project.definition).name)
                if snapshot != self._snapshot:
                    self._others.clear()
                    if self._newest is not None:
                        self._load_newest()
                    self._snapshot = snapshot
        except NightshiftError as error:
            log.warning("%s: %s", self.project.definition.name, error)
        except Exception:
            log.exception("the state of %s cannot be followed", self.project.definition.name)

    def features(self, sent: SentRows, state: NightState) -> CheckedRows:
        """The features of the observations that satisfy the contract, with the errors of the others.

        Raises:
            RequestRefusal: If a column is unknown or missing.
        """
        checked = self._contract.check(sent, state.night)
        computed = self._computation.compute(checked.table, state)
        failed = [replace(error, row=int(checked.positions[error.row])) for error in computed.errors]
        errors: list[RowError] = sorted([*checked.errors, *failed], key=lambda error: error.row)
        return CheckedRows(computed.table, checked.positions[computed.places], tuple(errors))

    def _require_published(self, night: date) -> None:
        spec, lake = features_table(self.project.definition), self.project.lake
        if not published_dates(lake, spec, (night, night)):
            raise NotYetAvailable(
                "that night's features are not published",
                where=spec.name,
                received=str(night),
                allowed=allowed_dates(lake, spec),
            )

    def _load_newest(self) -> NightState:
        """The newest night's state, which is loaded if features were published since; the caller holds the lock."""
        spec, lake = features_table(self.project.definition), self.project.lake
        snapshot = snapshot_of(lake, spec.name)
        if self._newest is None or snapshot != self._snapshot:
            if not (dates := published_dates(lake, spec)):
                raise NotYetAvailable("no night's features are published yet", where=spec.name, fix="run a night")
            self._newest, self._snapshot = load_state(self.project, max(dates), self._computation.sql), snapshot
            self._others.clear()
        return self._newest
