"""``python -m experiments la-page``: an authority found by name or code, or one message."""

from pathlib import Path

import pytest

from experiments import store
from experiments.__main__ import main
from experiments.commands_la_page import latest_runs
from experiments.runs import Entry, read_entry
from reports import pages
from tests.factories import edit_json, make_run
from tests.reports.cubes import make_tree, write_cube


def entry(
    experiment: str, started: str, command: str = "make fit MODEL=deprivation", unreadable: str = ""
) -> Entry:
    provenance = {"started": started, "command": command}
    config = {"model": experiment.partition("--")[0]}
    return Entry(
        Path(started), experiment, started, config, provenance, {}, "published", unreadable
    )


def test_the_latest_run_of_each_experiment_as_its_config_has_it() -> None:
    entries = [
        entry("deprivation--spatial", "2026-01-01"),
        entry("deprivation", "2026-01-02"),
        entry("deprivation", "2026-01-03"),
        entry("deprivation", "2026-01-04", 'make fit MODEL=deprivation SET="options.edition=2015"'),
        entry("deprivation", "2026-01-05", unreadable="written by a later version"),
        entry("national_trend", "2025-01-01"),
        entry("deprivation--spatial", "2025-12-31"),
    ]
    chosen, passed_over = latest_runs(entries)
    assert [(e.experiment, e.started) for e in chosen] == [
        ("national_trend", "2025-01-01"),
        ("deprivation", "2026-01-03"),
        ("deprivation--spatial", "2026-01-01"),
    ]
    assert passed_over == 2


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(store, "RESULTS", tmp_path)
    monkeypatch.setattr(pages, "embed", lambda figure, footer: ("data:image/svg+xml,", 672, 320))
    write_cube(make_tree(), tmp_path / "cubes", [])
    run = make_run(
        tmp_path / "runs" / "national_trend" / "5e1f0c7a2b",
        n_las=9,
        draws=20,
        first_code="S90000001",
    )
    edit_json(
        run / "provenance.json",
        cube={"name": "small", "kind": "published England", "hash": "0"},
        started="2026-01-01T00:00:00",
        command="make fit MODEL=national_trend CUBE=small",
    )
    assert read_entry(run).cube == "small"
    return tmp_path


@pytest.mark.parametrize("text", ["Bramblestead", "bramblest", "S90000003", "s90000003"])
def test_an_authority_is_found_by_name_part_of_it_or_code(
    results: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    assert main(["la-page", "--la", text, "--cube", "small"]) == 0
    page = results / "authorities" / "small-bramblestead.html"
    assert f"Page: {page}" in capsys.readouterr().out
    assert "1 model and 0 variants speak on it" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Bramblested", "write one of: Bramblestead"),
        ("e", "more than one authority is called so"),
        ("", "write a name, or a code"),
    ],
)
def test_an_unknown_or_ambiguous_name_is_one_message(
    results: Path, capsys: pytest.CaptureFixture[str], text: str, said: str
) -> None:
    assert main(["la-page", "--la", text, "--cube", "small"]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert "1 fault in the input" in error
    assert not (results / "authorities").exists()


def test_no_cube_is_bad_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(store, "RESULTS", tmp_path)
    assert main(["la-page", "--la", "Leeds", "--cube", "gone"]) == 2
    assert "no such cube" in capsys.readouterr().err
