"""Great Expectations' Data Docs as a self-contained page: no network, no script, no second file.

GX renders the expectations and the observed values. Its page around them loads style sheets and scripts from the
network, so the page and its collapsible parts are templates of Nightshift.
"""

from __future__ import annotations

import copy
import html
from collections.abc import Callable
from functools import cache
from typing import Any

from great_expectations.render import RenderedDocumentContent, RenderedStringTemplateContent
from great_expectations.render.renderer import ValidationResultsPageRenderer
from great_expectations.render.renderer.content_block import ValidationResultsTableContentBlockRenderer
from great_expectations.render.view import DefaultJinjaPageView
from jinja2 import BaseLoader, ChoiceLoader, pass_context
from markupsafe import Markup

# Lists of rows, which are left out: a page with millions of rows cannot be read.
ROWS = {"unexpected_index_list", "unexpected_index_query", "unexpected_list", "partial_unexpected_index_list"}
BADGES = {"fail": "badge-danger", "quarantine": "badge-warning", "warn": "badge-warning"}


class ExpectationTable(ValidationResultsTableContentBlockRenderer):
    """GX's table of expectations, with their notes and the severity of those that failed."""

    @classmethod
    def _get_content_block_fn(cls, expectation_type: str, expectation_config: Any = None) -> Callable[..., Any]:
        rows = super()._get_content_block_fn(expectation_type, expectation_config)

        def rows_with_notes(*, result: Any, **kwargs: Any) -> list[list[Any]]:
            [[status, expectation, *observed]] = rows(result=_without_rows(result), **kwargs)
            note = result.expectation_config.meta.get("notes")
            if note:
                expectation = [*(expectation if isinstance(expectation, list) else [expectation]), _text(note, "note")]
            if not result.success:
                severity = severity_of(result)
                status = [status, _text(severity, "badge", BADGES.get(severity, "badge-secondary"))]
            return [[status, expectation, *observed]]

        return rows_with_notes


class SelfContainedView(DefaultJinjaPageView):
    """GX's view with Nightshift's page, which escapes everything except the markup of templates.

    GX writes values and exceptions unescaped, so a landed file could inject a script.

    Args:
        loader: Templates that replace GX's of the same name.
    """

    def __init__(self, loader: BaseLoader) -> None:
        super().__init__()
        self.env.loader = ChoiceLoader([loader, self.env.loader])
        self.env.autoescape = True

    @pass_context
    def render_content_block(
        self, jinja_context: Any, content_block: Any, index: Any = None, content_block_id: Any = None, **kwargs: Any
    ) -> Any:
        """Renders a block as markup; returns anything else unchanged, for the template to escape."""
        if isinstance(content_block, list):
            parts = [
                self.render_content_block(jinja_context, block, index, content_block_id) for block in content_block
            ]
            return Markup("\n").join(
                part if isinstance(part, Markup) else Markup("<span>{}</span>").format(part) for part in parts
            )
        if not isinstance(content_block, dict) or "content_block_type" not in content_block:
            return content_block
        return Markup(super().render_content_block(jinja_context, content_block, index, content_block_id, **kwargs))

    def render_string_template(self, template: Any) -> Any:
        """Renders a text with its parameters; the text may contain values, such as the message of an exception."""
        if not isinstance(template, dict):
            return template
        escaped = copy.deepcopy(template) | {"template": html.escape(str(template.get("template", "")), quote=False)}
        escaped.pop("tooltip", None)
        return Markup(super().render_string_template(escaped))

    def render_styling(self, styling: Any) -> Markup:
        """Renders classes and styles only: attributes would be links to missing pages, or hooks for scripts."""
        return Markup(super().render_styling({name: styling[name] for name in styling if name != "attributes"}))

    def attributes_dict_to_html_string(self, attributes_dict: Any, prefix: str = "") -> str:
        """Renders nothing: the options of tables are for scripts."""
        return ""

    @staticmethod
    def _escape_template_param_value(value: Any) -> str:
        return html.escape(str(value), quote=False)


@cache
def page_view(loader: BaseLoader) -> SelfContainedView:
    """The view over these templates, which compiles each of them once a process."""
    return SelfContainedView(loader)


def severity_of(result: Any) -> str:
    """The severity of an expectation that failed; `fail` if it could not be checked."""
    information = result.exception_info or {}
    raised = information.get("raised_exception") or any(isinstance(entry, dict) for entry in information.values())
    return "fail" if raised else str(result.expectation_config.meta.get("severity", "fail"))


def document_of(result: Any) -> RenderedDocumentContent:
    """GX's document of a validation: a section per column, without its overview and run information."""
    table = {"module_name": __name__, "class_name": ExpectationTable.__name__}
    section = {"class_name": "ValidationResultsColumnSectionRenderer", "table_renderer": table}
    document = ValidationResultsPageRenderer(column_section_renderer=section, run_info_at_end=True).render(result)
    document.sections = document.sections[1:-1]
    return document


def _without_rows(result: Any) -> Any:
    shortened = copy.copy(result)
    shortened.result = {name: value for name, value in (result.result or {}).items() if name not in ROWS}
    return shortened


def _text(text: str, *classes: str) -> RenderedStringTemplateContent:
    template = {"template": "$text", "params": {"text": text}, "styling": {"classes": list(classes)}}
    return RenderedStringTemplateContent(string_template=template)
