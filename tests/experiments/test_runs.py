"""The store of runs: asked, pruned, carried to another place, and read when code has moved on."""

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tomli_w
import xarray as xr

from data_prep.errors import DataError
from experiments import provenance, runs, store
from experiments.__main__ import BAD_INPUT, REPORTABLE, main
from experiments.config import load_experiment
from experiments.runs import (
    export_run,
    import_run,
    list_runs,
    parse_command,
    read_entry,
    select_runs,
    stale_reasons,
)
from experiments.schedule import Outcome, record_failure
from models import load_model
from reports import pages
from tests.factories import edit_json, make_run
from tests.processes import printed_by

OLD_RUN = Path(__file__).parent / "stored_runs" / "older"


@pytest.fixture(autouse=True)
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(store, "RESULTS", tmp_path / "results")
    # Reports are written with their words; drawing their figures is most of the time.
    monkeypatch.setattr(pages, "embed", lambda figure, footer: ("data:image/svg+xml,", 672, 320))
    runs._cube_hash_now.cache_clear()
    return tmp_path / "results"


def stored(
    experiment: str = "deprivation",
    run: str = "aaaa00000000",
    *,
    sets: tuple[str, ...] = (),
    variant: str | None = None,
    **changes: Any,
) -> Path:
    """A run of the present code, without draws: what the index reads and no more."""
    model = experiment.split("--")[0]
    loaded = load_experiment(model, variant, sets)
    folder = store.runs_folder() / experiment / run
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text(tomli_w.dumps(loaded.resolved()))
    source = provenance.source_hash(load_model(model).observe.__module__)
    document = {
        "experiment": experiment,
        "command": provenance.command(model, variant, sets, None),
        "cube": {"name": "simulated", "hash": "h1"},
        "source_hash": source,
        "versions": provenance.versions(),
        "started": "2026-01-01T10:00:00+00:00",
    }
    store.write_json(folder / "provenance.json", document | changes)
    kind = {"schema": 1, "data": {"kind": "simulated England"}}
    store.write_json(folder / "spec.json", kind)
    gates = [{"name": "r_hat", "status": "fail", "blocking": True}]
    store.write_json(
        folder / "verdict.json", {"schema": 1, "reportable": run.startswith("a"), "gates": gates}
    )
    (folder / "estimands.csv").write_text("estimand,mean\n")
    return folder


def names(where: str) -> list[str]:
    return [entry.run for entry in select_runs(where.split())]


# -------------------------------------------------------------------------------------- asking


def test_runs_are_asked_by_what_they_are() -> None:
    stored(run="aaaa")
    stored(run="bbbb", sets=("options.denominator=referrals", "options.outcomes=icpc,section47"))
    stored("national_trend", "abcd", started="2025-12-31T10:00:00+00:00")
    assert names("") == ["abcd", "aaaa", "bbbb"]
    assert names("model=deprivation reportable=false") == ["bbbb"]
    assert names("denominator=referrals") == names("options.denominator=referrals") == ["bbbb"]
    assert names("outcomes=*section47* model=deprivation") == ["aaaa", "bbbb"]
    assert names("outcomes=icpc,section47") == ["bbbb"]
    assert names("model!=deprivation") == ["abcd"]
    assert names("started=2025-*") == ["abcd"]
    assert names("reportable=TRUE kind=simulated*") == ["abcd", "aaaa"]


def test_every_faulty_condition_is_told_with_what_can_be_asked() -> None:
    stored()
    with pytest.raises(DataError) as caught:
        select_runs(["modell=x", "nothing", "denominator=children"])
    assert [fault.value for fault in caught.value.faults] == ["modell=x", "nothing"]
    assert "run, experiment, model" in caught.value.faults[0].remedy
    assert "denominator" in caught.value.faults[0].remedy


def test_a_torn_document_is_told_and_breaks_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    torn = stored(run="torn")
    stored(run="whole")
    (torn / "provenance.json").write_text('{"experiment": ')
    assert main(["runs"]) == REPORTABLE
    said = capsys.readouterr().out
    assert "cannot be read: provenance.json is not valid JSON" in said
    assert "2 of 2 runs" in said
    assert stale_reasons(read_entry(torn)) == []


def test_failed_fits_are_listed_with_their_reason(capsys: pytest.CaptureFixture[str]) -> None:
    record_failure(Outcome("deprivation", "cccc", "failed", "no place to start"))
    stored()
    assert main(["runs"]) == REPORTABLE
    assert "failed: deprivation cccc: no place to start" in capsys.readouterr().out
    record_failure(Outcome("deprivation", "cccc", "done"))
    assert main(["runs"]) == REPORTABLE
    assert "failed:" not in capsys.readouterr().out


def test_what_a_later_version_wrote_is_named_and_left_alone() -> None:
    later = stored()
    edit_json(later / "verdict.json", schema=99)
    entry = read_entry(later)
    assert "written by a later version (schema 99" in entry.unreadable
    assert stale_reasons(entry) == []


# ------------------------------------------------------------------------------------ staleness


def test_a_run_of_the_present_state_is_not_stale(capsys: pytest.CaptureFixture[str]) -> None:
    sets = ("sampler.draws=300", "options.outcomes=section47,icpc")
    run = stored("deprivation--idaci", variant="idaci", sets=sets)
    assert stale_reasons(read_entry(run)) == []
    assert main(["runs", "--where", "stale=false"]) == REPORTABLE
    assert "1 of 1 runs" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"source_hash": "other"}, "code of the model, or of what it imports, changed"),
        ({"versions": provenance.versions() | {"pymc": "5.0"}}, "pymc was 5.0 and is"),
        ({"command": "make fit MODEL=deprivation VARIANT=gone"}, "can no longer be read"),
        (
            {"command": "make fit MODEL=deprivation VARIANT=drifting"},
            "config file changed: data.years, options.la_effect, options.slope",
        ),
    ],
)
def test_stale_runs_say_why(change: dict[str, Any], words: str) -> None:
    (reason,) = stale_reasons(read_entry(stored(**change)))
    assert words in reason


def test_a_cube_built_again_makes_a_run_stale_and_an_absent_one_does_not(results: Path) -> None:
    run = stored()
    assert stale_reasons(read_entry(run)) == []
    (results / "cubes").mkdir(parents=True)
    for text, expected in (("h1", []), ("h2", ["cube simulated was built again"])):
        runs._cube_hash_now.cache_clear()
        xr.DataTree(xr.Dataset(attrs={"cube_hash": text})).to_netcdf(
            results / "cubes" / "simulated.nc", engine="netcdf4"
        )
        found = stale_reasons(read_entry(run))
        assert [reason[: len("cube simulated was built again")] for reason in found] == expected


def test_a_command_is_read_back_as_it_was_given() -> None:
    given = ("deprivation", "idaci", ("options.outcomes=a,b", "data.years=2010-2012"), "c")
    model, variant, sets, cube = given
    text = provenance.command(model, variant, sets, cube)
    assert parse_command(text) == {
        "model": model,
        "variant": variant,
        "sets": list(sets),
        "cube": cube,
    }
    for odd in ("", "make fit", 'make fit MODEL="x', "do something"):
        assert parse_command(odd) is None


# -------------------------------------------------------------------------------------- pruning


def test_pruning_lists_first_and_removes_only_what_was_asked(
    capsys: pytest.CaptureFixture[str],
) -> None:
    kept, gone = stored(run="aaaa"), stored(run="bbbb")
    assert main(["prune"]) == BAD_INPUT
    assert "every run would be removed" in capsys.readouterr().err
    assert main(["prune", "--where", "reportable=false"]) == REPORTABLE
    assert "1 runs" in capsys.readouterr().out
    assert kept.is_dir()
    assert gone.is_dir()
    assert main(["prune", "--where", "reportable=false", "--yes"]) == REPORTABLE
    assert sorted(path.name for path in kept.parent.iterdir()) == ["aaaa"]


def test_repeats_leave_the_latest_when_the_superseded_are_pruned() -> None:
    for run in ("aaaa", "aaaa.2", "aaaa.10", "bbbb"):
        stored(run=run)
    assert names("superseded=true") == ["aaaa", "aaaa.2"]


# ------------------------------------------------------------------------------ export and import


def test_a_run_travels_and_is_rendered_without_fitting(
    results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(results / "runs" / "national_trend" / "abc123abc123", draws=20)
    first = export_run(run, tmp_path / "a.zip").read_bytes()
    assert export_run(run, tmp_path / "b.zip").read_bytes() == first
    monkeypatch.setattr(store, "RESULTS", tmp_path / "elsewhere")
    assert main(["import", "--file", str(tmp_path / "a.zip")]) == REPORTABLE
    (arrived,) = (tmp_path / "elsewhere" / "runs").glob("*/*")
    assert arrived.name == run.name
    for path in run.iterdir():
        assert (arrived / path.name).read_bytes() == path.read_bytes(), path.name
    assert "What it shows" in (arrived / "report.html").read_text(encoding="utf-8")
    # The same again is recognised, though a report was added; another under its id is kept apart.
    assert import_run(tmp_path / "a.zip") == (arrived, False)
    edit_json(run / "spec.json", answer="other")
    export_run(run, tmp_path / "other.zip")
    assert import_run(tmp_path / "other.zip") == (arrived.with_name(f"{run.name}.2"), True)


def rewritten(archive: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    with zipfile.ZipFile(archive) as opened:
        contents = {name: opened.read(name) for name in opened.namelist()}
    change(contents)
    changed = archive.with_name("changed.zip")
    with zipfile.ZipFile(changed, "w") as file:
        for name, data in contents.items():
            file.writestr(name, data)
    return changed


def manifest_with(**changes: Any) -> Callable[[dict[str, bytes]], None]:
    def change(contents: dict[str, bytes]) -> None:
        manifest = json.loads(contents["manifest.json"]) | changes
        contents["manifest.json"] = json.dumps(manifest).encode()

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda c: c.update({"estimands.csv": b"x"}), "contents do not match the manifest"),
        (lambda c: c.update({"more.txt": b"x"}), "a file that the manifest does not list"),
        (lambda c: c.pop("estimands.csv"), "a file of its manifest is missing"),
        (lambda c: c.pop("manifest.json"), "not an archive of a run"),
        (manifest_with(schema=9), "written by a later version"),
        (manifest_with(experiment="../../up"), "names no run"),
        (manifest_with(files={"../evil": "x"}), "a file that no run has"),
        (manifest_with(files={}), "a file that the manifest does not list"),
    ],
)
def test_an_archive_that_was_changed_is_refused_and_leaves_nothing(
    change: Callable[[dict[str, bytes]], None], words: str, results: Path, tmp_path: Path
) -> None:
    archive = export_run(stored(), tmp_path / "a.zip")
    shutil.rmtree(results / "runs")
    with pytest.raises(DataError, match=words):
        import_run(rewritten(archive, change))
    assert list_runs() == []
    assert not (tmp_path / "evil").exists()


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.zip").write_text("not a zip")
    for name, words in (("text.zip", "not an archive of a run"), ("none.zip", "no such file")):
        with pytest.raises(DataError, match=words):
            import_run(tmp_path / name)


# ---------------------------------------------------------------------------- runs of earlier code


def test_a_run_of_earlier_code_is_listed_rendered_and_exported(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run written before `outcomes` entered spec.json; its trace was thinned."""
    run = results / "runs" / "national_trend" / OLD_RUN.name
    shutil.copytree(OLD_RUN, run)
    assert "outcomes" not in json.loads((run / "spec.json").read_text())
    (entry,) = list_runs()
    assert not entry.unreadable
    assert entry.model == "national_trend"
    assert "code of the model, or of what it imports, changed" in stale_reasons(entry)
    main(["report", "--run", str(run)])
    assert "Stale: code of the model" in capsys.readouterr().out
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "Since this fit: code of the model" in page
    spec = json.loads((run / "spec.json").read_text())
    assert spec["question"] in page
    main(["export", "--run", str(run), "--to", str(tmp_path)])
    with zipfile.ZipFile(tmp_path / f"{entry.experiment}-{run.name}.zip") as archive:
        assert {"estimands.csv", "trace.nc", "report.html"} <= set(archive.namelist())


def test_store_commands_import_nothing_heavy_until_they_run() -> None:
    code = (
        "import sys\nfrom experiments.__main__ import main\n"
        "try:\n    main(['runs', '--help'])\nexcept SystemExit:\n    pass\n"
        "heavy = {'pymc', 'matplotlib', 'xarray', 'numba', 'netCDF4', 'distributed'}\n"
        "print('HEAVY', sorted(heavy & set(sys.modules)))"
    )
    assert printed_by(code)[-1] == "HEAVY []"
