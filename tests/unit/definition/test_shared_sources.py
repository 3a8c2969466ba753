"""Sources that models share: one declaration, in a file of its own."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest
from typer.testing import CliRunner

from nightshift.cli import app
from nightshift.definition.draft import find_draft
from nightshift.definition.load import (
    definition_files,
    definition_hash,
    find_definition,
    load_definition,
    load_replay,
    write_definition,
)
from nightshift.definition.model import ModelDefinition
from nightshift.definition.shared_sources import SHARED
from nightshift.errors import DefinitionError, TerminalError
from nightshift.settings import get_settings


def sections(text: str) -> dict[str, str]:
    """The declarations of tiny's sources, each as the content of a file."""
    block = text.partition("sources:\n")[2].partition("\nobservations:")[0]
    plan, failures = block.removeprefix("  plan:\n").split("  failures:\n")
    return {name: textwrap.dedent(body) for name, body in (("plan", plan), ("failures", failures))}


def share(models: Path, *names: str) -> Path:
    """Moves the declarations of tiny's sources into files of their own; the folder of these files."""
    file = models / "tiny" / "model.yaml"
    text, folder = file.read_text(), models.parent / "sources"
    folder.mkdir(exist_ok=True)
    for name, body in sections(text).items():
        if name in names:
            text = text.replace(f"  {name}:\n{textwrap.indent(body, '    ')}", f"  {name}: {SHARED}\n")
            (folder / f"{name}.yaml").write_text(f"timezone: UTC\n{body}")
    file.write_text(text)
    return folder


def twin(models: Path, *changes: tuple[str, str]) -> Path:
    """The folder of a copy of tiny under another name, after replacing texts that occur once."""
    text = (models / "tiny" / "model.yaml").read_text()
    for old, new in (("name: tiny", "name: twin"), *changes):
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    (models / "twin").mkdir()
    (models / "twin" / "model.yaml").write_text(text)
    return models / "twin"


def replace(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert text.count(old) == 1, old
    file.write_text(text.replace(old, new))


def problems(models: Path, name: str) -> list[str]:
    with pytest.raises(DefinitionError) as caught:
        find_definition(models, name)
    return [str(problem) for problem in caught.value.problems]


def line_of(file: Path, text: str) -> int:
    return 1 + file.read_text().splitlines().index(text)


def test_a_shared_source_is_as_its_file_declares_it(models: Path, tiny: ModelDefinition) -> None:
    folder = share(models, "plan", "failures")
    twin(models, ("timezone: UTC", "timezone: America/New_York"))
    for name in ("tiny", "twin"):
        definition = find_definition(models, name)
        assert definition.sources == {
            name: source.model_copy(update={"timezone": "UTC"}) for name, source in tiny.sources.items()
        }
        assert definition.shared == {name: folder / f"{name}.yaml" for name in ("plan", "failures")}


def test_the_folder_of_shared_sources_can_be_elsewhere(models: Path) -> None:
    moved = share(models, "plan").rename(models.parent / "moved")
    assert find_definition(models, "tiny", moved).shared == {"plan": moved / "plan.yaml"}
    with pytest.raises(DefinitionError, match="no shared source of this name"):
        find_definition(models, "tiny")


def test_example_data_may_be_beside_the_shared_sources(models: Path) -> None:
    folder = share(models, "plan")
    (models / "tiny" / "landing.py").rename(folder / "landing.py")
    assert load_replay(load_definition(models / "tiny")).__module__ == "nightshift_landing_tiny"


def test_a_stored_definition_needs_no_file_outside_it(models: Path, tmp_path: Path) -> None:
    folder = share(models, "plan")
    (folder / "expectations.py").write_text("# none yet\n")
    (folder / "unused.yaml").write_text("not used\n")
    definition = load_definition(models / "tiny")
    files = definition_files(definition)
    assert set(files) == {"model.yaml", "landing.py", "sources/plan.yaml", "sources/expectations.py"}
    again = write_definition(tmp_path / "again" / "tiny", files)
    assert again.sources == definition.sources
    assert (definition_files(again), definition_hash(again)) == (files, definition_hash(definition))


@pytest.mark.parametrize("name", ["../model.yaml", "/etc/cron.d/model.yaml", "sources/../../model.yaml"])
def test_a_stored_definition_is_written_into_its_folder_alone(tmp_path: Path, name: str) -> None:
    with pytest.raises(DefinitionError, match="not a file of a definition; received"):
        write_definition(tmp_path / "again" / "tiny", {name: b"name: tiny"})
    assert not list(tmp_path.rglob("*.yaml"))


def test_the_hash_follows_the_shared_sources_that_are_used(models: Path) -> None:
    folder = share(models, "plan")
    first = definition_hash(load_definition(models / "tiny"))
    (folder / "unused.yaml").write_text("description: not used\n")
    assert definition_hash(load_definition(models / "tiny")) == first
    replace(folder / "plan.yaml", "min: 0, max: 1", "min: 0, max: 2")
    assert definition_hash(load_definition(models / "tiny")) != first


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("key: [machine]", "key: [machin]", "key: [machin]", "key: source 'plan' has no such column"),
        ("available: {after: 1h}", "available: {afetr: 1h}", "available: {afetr: 1h}", "available.afetr: unknown key"),
        ("path: plan-{date}.csv.gz", "path: plan.csv.gz", "path: plan.csv.gz", "path: has no date"),
        ("timezone: UTC\n", "", "description: The machines that run on a day.", "timezone: missing key"),
        ("timezone: UTC", "timezone: Mars", "timezone: Mars", "timezone: "),
        ("repeats: allow", "repaets: allow", "repaets: allow", "repaets: unknown key; received 'repaets'"),
    ],
)
def test_a_problem_of_a_shared_source_is_one_of_its_file(
    models: Path, old: str, new: str, line: str, message: str
) -> None:
    file = share(models, "plan") / "plan.yaml"
    replace(file, old, new)
    assert any(problem.startswith(f"{file}:{line_of(file, line)}: {message}") for problem in problems(models, "tiny"))


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ("plan: shraed", "sources.plan: not the declaration of a source; received 'shraed'"),
        ("plans: shared", "sources.plans: no shared source of this name in"),
        ("plan: {of: other}", "sources.plan.of: unknown key"),
    ],
)
def test_what_names_no_shared_source_is_refused(models: Path, declared: str, message: str) -> None:
    share(models, "plan")
    file = models / "tiny" / "model.yaml"
    replace(file, "plan: shared", declared)
    assert any(problem.startswith(f"{file}:") and message in problem for problem in problems(models, "tiny"))


# Everything in a declaration counts, what is checked and said of the rows as much as where they are.
DIFFERENT = [
    ("min: 0, max: 1", "min: 0, max: 2", "columns.load.max"),
    ("The machines that run on a day.", "Machines.", "description"),
    ("plan-{date}.csv.gz", "plan-{date}.csv", "path"),
    ("timezone: UTC", "timezone: America/New_York", "timezone"),
]


@pytest.mark.parametrize(("old", "new", "key"), DIFFERENT)
def test_two_models_that_declare_a_source_otherwise_are_both_refused(
    models: Path, old: str, new: str, key: str
) -> None:
    twin(models, (old, new))
    files = {name: models / name / "model.yaml" for name in ("tiny", "twin")}
    for name, neighbour in (("tiny", "twin"), ("twin", "tiny")):
        first, *_ = problems(models, name)
        assert first.startswith(f"{files[name]}:") and f": sources.plan: {key}: declared otherwise in" in first
        assert f"{files[neighbour]}:" in first and "plan: shared" in first


def test_both_lines_are_those_of_what_differs(models: Path) -> None:
    twin(models, ("    path: plan-{date}.csv.gz", "    # moved\n    path: plan-{date}.csv"))
    files = {name: models / name / "model.yaml" for name in ("tiny", "twin")}
    own = line_of(files["tiny"], "    path: plan-{date}.csv.gz")
    neighbour = line_of(files["twin"], "    path: plan-{date}.csv")
    [problem] = problems(models, "tiny")
    assert problem.startswith(f"{files['tiny']}:{own}: ") and f"{files['twin']}:{neighbour};" in problem


def test_a_model_that_departs_from_the_shared_file_is_refused_alone(models: Path) -> None:
    """The file owns the source: a neighbour's mistake takes no other model down."""
    text = (models / "tiny" / "model.yaml").read_text()
    file = share(models, "plan") / "plan.yaml"
    (models / "twin").mkdir()
    own = models / "twin" / "model.yaml"
    own.write_text(text.replace("name: tiny", "name: twin"))
    assert find_definition(models, "twin").sources["plan"].path == find_definition(models, "tiny").sources["plan"].path
    replace(own, "min: 0, max: 1", "min: 0, max: 2")
    [problem] = problems(models, "twin")
    load = "  load: {type: number, required: true, min: 0, max: %d}"
    assert problem.startswith(f"{own}:{line_of(own, 4 * ' ' + load % 2)}: ")
    assert f"{file}:{line_of(file, load % 1)};" in problem
    assert find_definition(models, "tiny").name == "tiny"


@pytest.mark.parametrize("text", ["name: [", "sources: 3\n", "sources: {plan: {path: 3}}\n", "[]\n", "\tname: x\n"])
def test_a_broken_neighbour_is_its_own_problem(models: Path, text: str) -> None:
    (models / "broken").mkdir()
    (models / "broken" / "model.yaml").write_text(text)
    assert find_definition(models, "tiny").name == "tiny"


def test_the_draft_of_a_shared_source_is_in_its_file(models: Path) -> None:
    file = share(models, "plan") / "plan.yaml"
    draft = find_draft(models, "tiny", "plan")
    assert (draft.shared, draft.source.path, draft.zone) == (True, "plan-{date}.csv.gz", "UTC")
    replace(file, "key: [machine]", "kye: [machine]")
    with pytest.raises(DefinitionError, match=rf"^{file}:{line_of(file, 'kye: [machine]')}: kye: unknown key"):
        find_draft(models, "tiny", "plan")
    file.unlink()
    with pytest.raises(TerminalError, match="give the path of its files"):
        find_draft(models, "tiny", "plan")


def test_validate_checks_shared_sources_that_no_model_uses(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = share(models, "plan")
    (folder / "spare.yaml").write_text("path: spare.csv\n")
    monkeypatch.setenv("NIGHTSHIFT_MODELS_FOLDER", str(models))
    get_settings.cache_clear()
    ended = CliRunner().invoke(app, ["validate"])
    get_settings.cache_clear()
    assert ended.exit_code == 2
    assert f"{folder / 'spare.yaml'}: no model uses this source" in ended.stdout
    assert f"{folder / 'plan.yaml'}: no model" not in ended.stdout
    assert f"{folder / 'spare.yaml'}:1: timezone: missing key" in ended.stderr
