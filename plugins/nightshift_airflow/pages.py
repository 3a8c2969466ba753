"""The tab "Report" of a run: the verdicts of its audits, or the report of its night, for whoever may read the DAG."""

from __future__ import annotations

from contextlib import suppress

from airflow.api_fastapi.core_api.security import requires_access_dag
from fastapi import Depends, FastAPI
from fastapi.responses import HTMLResponse

from nightshift.lake.files import read_bytes
from nightshift.pages.headers import PAGE_HEADERS, HeaderMiddleware
from nightshift.quality.docs import docs_folder, read_docs, read_page, render_message, render_run, report_uri
from nightshift.settings import get_settings

AUDITED, MONITORED = ".score", ".monitor"

app = FastAPI(
    title="Nightshift's reports",
    dependencies=[Depends(requires_access_dag("GET"))],
    default_response_class=HTMLResponse,
    redirect_slashes=False,
    openapi_url=None,
)


pages = HeaderMiddleware(app, PAGE_HEADERS)  # around the app's own answers to failures, too


@app.get("/{dag_id}/{run_id}/")
def run_page(dag_id: str, run_id: str) -> str:
    """The verdicts of a run's audits, a row an audited set; or the report of the night that a run monitored."""
    if dag_id.endswith(MONITORED):
        return _night_page(dag_id.removesuffix(MONITORED), run_id)
    if not dag_id.endswith(AUDITED):
        return render_message(
            "Nothing was audited here",
            [
                f"Data is audited by the runs of DAGs named <model>{AUDITED}, and nights are monitored by those named "
                f"<model>{MONITORED}; this is a run of {dag_id}."
            ],
        )
    pages = read_docs(_folder(dag_id, run_id))
    if not pages:
        return render_message(
            "No audit of this run has ended yet",
            [
                "The tasks raw.audit, features.audit and scores.audit write their verdicts here, also if they fail.",
                "If one of them has ended and there is still nothing here, its pages were removed: clear the run.",
            ],
        )
    return render_run(f"Data quality of {dag_id.removesuffix(AUDITED)}", pages)


@app.get("/{dag_id}/{run_id}/{page}")
def audit_page(dag_id: str, run_id: str, page: str) -> HTMLResponse:
    """Every expectation of an audit, and what was observed."""
    content = read_page(_folder(dag_id, run_id), page) if dag_id.endswith(AUDITED) else None
    if content is None:
        message = "It may have been replaced since: open the tab again to see the present pages."
        return HTMLResponse(render_message("This run has no such page", [message]), status_code=404)
    return HTMLResponse(content)


def _night_page(model: str, run_id: str) -> str:
    with suppress(FileNotFoundError):
        return read_bytes(report_uri(get_settings().quality_docs_uri, model, run_id)).decode()
    message = "The task report writes it, after the task decide. If report has ended, clear it."
    return render_message("This night's report is not written yet", [message])


def _folder(dag_id: str, run_id: str) -> str:
    return docs_folder(get_settings().quality_docs_uri, dag_id.removesuffix(AUDITED), run_id)
