"""From a version that passed its gate to the champion, as the definition's policy says."""

from __future__ import annotations

import json
from datetime import date
from typing import TYPE_CHECKING

import pyarrow as pa

from nightshift.definition.calendar import newest_labelled
from nightshift.definition.promotion import Shadow
from nightshift.errors import TerminalError
from nightshift.lake.read import published_dates
from nightshift.lake.tables import scores_table
from nightshift.loop.training import Trained
from nightshift.loop.workspace import Workspace
from nightshift.registry.challengers import FIRST_NIGHT
from nightshift.types import Measurement

if TYPE_CHECKING:
    from nightshift.registry.challengers import Answer
    from nightshift.registry.events import RegistryEvent
    from nightshift.registry.store import Version
    from nightshift.training.results import GateReport, Holdout, RuleResult

SHADOW_PAGE = "shadow.html"  # among the run's artifacts, beside the gate's


class Promotion(Workspace):
    """What becomes of a version that passed its gate."""

    def promote(self, trained: Trained, note: str, run_id: str = "by hand") -> Version:
        """Registers a challenger that passed the gate and makes it the champion, once."""
        self._check_passed(trained)
        return self.champions.promote(trained.run_id, note, run_id)

    def register(self, trained: Trained, note: str, run_id: str) -> tuple[Version, str]:
        """Registers what passed the gate, once: as the champion or as its challenger, by the definition's policy.

        Without a champion there is nothing to be in shadow of, and nothing to score at all: the first one is promoted
        whatever its nights will say. A person is asked even then.

        Returns:
            The version, and what it was made.
        """
        policy = self.definition.promotion
        if policy.auto or (policy.shadow and self.registry.champion() is None):
            return self.promote(trained, note, run_id), "champion"
        self._check_passed(trained)
        version = self.challengers.challenge(trained.run_id, note, run_id)
        return version, "challenger"

    def answer(self, trained: Trained, answer: Answer, run_id: str) -> RegistryEvent:
        """Does what a person said of the challenger that a run made."""
        return self.challengers.answer(trained.run_id, answer, run_id)

    def judge_challenger(self, night: date, run_id: str) -> str:
        """Promotes or retires the challenger by its nights in shadow, as soon as enough of them have outcomes.

        The oldest nights that suffice are compared, once: the same nights give the same verdict, whenever they are
        looked at.

        Returns:
            What became of it, as a sentence.
        """
        policy = self.definition.promotion.shadow
        found = self.challengers.present(run_id) if policy else None
        if policy is None or found is None:
            return "no challenger is to be judged by its nights"
        (challenger, since), champion = found, self.registry.champion()
        if champion is None or since.effective >= night:
            return f"challenger {challenger.number} has no champion to be compared with, or no night yet"
        nights, holdout, report = self._compare(policy, challenger, champion, since.effective, night)
        measured = self._measured(policy, challenger, nights, report)
        if report is None:
            first = date.fromisoformat(json.loads(since.evidence).get(FIRST_NIGHT, str(since.effective)))
            known = published_dates(self.lake, scores_table(self.definition), (since.effective, night))
            scored = sum(day >= first for day in known)
            told = f"{nights} of {policy.nights} nights that can be compared, of {scored} that were scored"
            late = scored >= policy.within
            measured.append(_verdict(challenger, None, f"too late: {told}" if late else told))
            self.record("shadow", night, measured, run_id)
            if late:
                self.challengers.retire(challenger.number, run_id, f"too late: {told}")
            return f"challenger {challenger.number}: {'retired, too late: ' if late else ''}{told}"
        assert holdout is not None
        told = f"{nights} nights against version {champion.number}: {report.summary()}"
        measured.append(_verdict(challenger, report.passed, told))
        self.record("shadow", night, measured, run_id)
        self._leave_page(policy, challenger, champion, holdout, report)
        evidence = {"shadow": told, "report": SHADOW_PAGE}
        if report.passed:
            done = self.challengers.promote(challenger.number, run_id, told, evidence, against=champion.number)
        else:
            done = self.challengers.retire(challenger.number, run_id, told, evidence)
        return f"challenger {challenger.number}: {done.event if done else 'changed meanwhile, nothing is done'}, {told}"

    def _compare(
        self, policy: Shadow, challenger: Version, champion: Version, first: date, night: date
    ) -> tuple[int, Holdout | None, GateReport | None]:
        """How many nights can be compared, and the comparison once they suffice."""
        from nightshift.training.gate import judge
        from nightshift.training.lineage import Lineage
        from nightshift.training.pairs import CHALLENGER, CHAMPION, paired_nights
        from nightshift.training.results import Holdout

        gate, seed = policy.gate, self.definition.training.seed
        columns = gate.slices.columns if gate.slices else ()
        made_from = Lineage(**self.registry.lineage(challenger.run_id)[0])
        last = newest_labelled(self.definition, night)
        numbers = challenger.number, champion.number
        held: list[pa.Table] = []
        for rows in paired_nights(self.lake, self.definition, *numbers, first, last, columns):
            held.append(rows)
            if len(held) < policy.nights:
                continue
            both = pa.concat_tables(held)
            scores = both[CHALLENGER].to_numpy(), both[CHAMPION].to_numpy()
            holdout = Holdout.of(both, *scores, made_from.baseline, columns, prediction=self.definition.prediction)
            # Where the outcomes are not fit for any metric, further nights are waited for.
            if (report := judge(gate, holdout, None, seed)).metrics:
                return len(held), holdout, report
        return len(held), None, None

    def _measured(
        self, policy: Shadow, challenger: Version, nights: int, report: GateReport | None
    ) -> list[Measurement]:
        who, number = _who(challenger), challenger.number
        verdict = "unknown" if report is None else "pass"
        rows = [Measurement(who, "nights", nights, policy.nights, None, verdict, "", number)]
        for one in report.results if report else ():
            rows.append(Measurement(who, one.rule, one.value, one.bound, one.n, _word(one), one.detail, number))
        return rows

    def _leave_page(
        self, policy: Shadow, challenger: Version, champion: Version, holdout: Holdout, report: GateReport
    ) -> None:
        from nightshift.training.report import render_gate

        title = f"{self.definition.name}: version {challenger.number} in shadow"
        against = f"against version {champion.number}, on the nights that both scored"
        page = render_gate(title, policy.gate, holdout, report, against, period="Nights in shadow")
        self.registry.client.log_text(challenger.run_id, page, SHADOW_PAGE)

    def _check_passed(self, trained: Trained) -> None:
        if self.registry.run_tags(trained.run_id).get("nightshift.gate") != "passed":
            raise TerminalError("only a model that passed the gate can be promoted", where=trained.run_id)


def _who(challenger: Version) -> str:
    return f"challenger {challenger.number}"


def _word(result: RuleResult) -> str:
    return "unknown" if result.passed is None else result.verdict


def _verdict(challenger: Version, passed: bool | None, told: str) -> Measurement:
    word = {True: "pass", False: "fail", None: "unknown"}[passed]
    return Measurement(_who(challenger), "verdict", None, None, None, word, told, challenger.number)
