"""The tutorial's commands run from first to last, and what it says of screens and pages is there.

They run on a small England with short chains: what make leaves to the environment (cube, settings,
processes) is set there, so that the commands themselves stay as a reader types them. The slow test
runs them as they are and holds the tutorial's numbers against what they give.
"""

import contextlib
import html
import io
import json
import logging
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data_prep.schema import save_cube
from data_prep.simulated import SimulationOptions, build_simulated
from experiments import store
from experiments.__main__ import NOT_REPORTABLE, REPORTABLE, main
from experiments.config import load_experiment
from experiments.fit import prepare
from tests.docs.commands import DOCS, ROOT, behind, fences

TUTORIAL = (DOCS / "tutorial.md").read_text(encoding="utf-8")
LINES = [line for block in fences(TUTORIAL, "sh") for line in block.splitlines()]
# Both definitions of a plan, as in the England of the tutorial, in as few years as may be.
WORLD = SimulationOptions(name="small", las=12, first_year=2006, last_year=2011, seed=3)
SHORT = "options.la_effect=level sampler.draws=200 sampler.tune=200 sampler.chains=2"


@dataclass
class Followed:
    """What became of the tutorial's commands: exit codes and screens in order, and all pages."""

    codes: list[int]
    screens: list[str]
    pages: str
    results: Path

    def run(self, experiment: str) -> Path:
        (run,) = (self.results / "runs" / experiment).iterdir()
        return run


def follow(results: Path, world: SimulationOptions, variables: Mapping[str, str]) -> Followed:
    """Type every command of the tutorial, with results in a folder that holds one cube."""
    save_cube(build_simulated(world), results / "cubes" / f"{world.name}.nc")
    root = logging.getLogger()
    kept, level = root.handlers, root.level
    codes, screens = [], []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "RESULTS", results)
        for line in LINES:
            # The cube is there, so that make builds none.
            for program, *words in behind(line, {"CUBE": world.name, "WORKERS": "1", **variables}):
                assert program == "experiments", line
                with contextlib.redirect_stdout(io.StringIO()) as said:
                    codes.append(main(words))
                screens.append(said.getvalue())
    root.handlers, root.level = kept, level
    pages = [_words(path.read_text("utf-8")) for path in sorted(results.rglob("*.html"))]
    return Followed(codes, screens, "\n".join(pages), results)


def _words(page: str) -> str:
    """What a reader sees of a page, without marks."""
    bare = re.sub(r"<(style|script).*?</\1>|<[^>]*>", " ", page, flags=re.DOTALL)
    return " ".join(html.unescape(bare).split())


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Followed:
    return follow(tmp_path_factory.mktemp("results"), WORLD, {"SET": SHORT})


def test_every_command_ends_well(followed: Followed) -> None:
    """Short chains are completed and may be not reportable; nothing else may go wrong."""
    assert len(followed.codes) == len(LINES)
    for line, code in zip(LINES, followed.codes, strict=True):
        assert code in ({REPORTABLE, NOT_REPORTABLE} if " fit " in line else {REPORTABLE}), line


def test_commands_leave_what_the_tutorial_opens(followed: Followed) -> None:
    base, variant = followed.run("national_trend"), followed.run("national_trend--no_offset")
    (comparison,) = (followed.results / "comparisons").iterdir()
    assert (base / "sensitivity.json").is_file()
    assert (base / "report.html").is_file()
    assert (comparison / "report.html").is_file()
    assert (variant / "estimands.csv").is_file()
    assert (followed.results / "authorities" / "small-bramblestead.html").is_file()
    assert (followed.results / "site" / "index.html").is_file()
    assert (followed.results / "site.zip").is_file()


def test_sensitivity_tells_authorities_by_name(followed: Followed) -> None:
    (screen,) = [s for s in followed.screens if "hyperprior and estimand" in s]
    assert "S9000" not in screen
    assert " : " not in screen


def test_what_the_tutorial_quotes_is_there(followed: Followed) -> None:
    """Words in double quotes are those of a screen or a page."""
    prose = re.sub(r"^```.*?^```$|`[^`]*`", "", TUTORIAL, flags=re.MULTILINE | re.DOTALL)
    quoted = re.findall(r'"([^"]+)"', " ".join(prose.split()))
    # A run has one of two headlines; both stand where they are written.
    headlines = (ROOT / "reports" / "tables.py").read_text(encoding="utf-8")
    seen = followed.pages + " ".join(" ".join(followed.screens).split()) + headlines
    assert len(quoted) > 10
    assert [text for text in quoted if text not in seen] == []


def test_recovery_in_the_tutorial_is_that_of_the_study() -> None:
    study = pd.read_csv(DOCS / "recovery" / "national_trend.csv").set_index("estimand")
    row = study.loc["change_since_knot"]
    held = f"held the truth in {row['coverage'] * row['seeds']:.0f} of {row['seeds']:.0f}"
    prose = " ".join(TUTORIAL.split())
    assert held in prose
    assert f"its mean came out {-row['bias_over_sd']:.1f} posterior sds too low" in prose


@pytest.mark.skipif(not os.environ.get("CSC_SLOW_TESTS"), reason="slow: `make test-slow` runs it")
def test_numbers_of_the_tutorial_are_those_of_its_commands(tmp_path: Path) -> None:
    """Two full fits; a per cent more or less is what draws of another machine may move."""
    world = SimulationOptions()
    followed = follow(tmp_path, world, {})
    assert set(followed.codes) == {REPORTABLE}
    base, variant = followed.run("national_trend"), followed.run("national_trend--no_offset")
    prose = " ".join(TUTORIAL.replace("> ", "").split())
    spec = json.loads((base / "spec.json").read_text(encoding="utf-8"))
    by_offset = {
        row["offset_sd_percent"]: [row["mean"], row["lower"], row["upper"]]
        for row in spec["regime_sensitivity"]
        if row["estimand"] == "change_since_knot"
    }
    interval = r"([\d.]+) to ([\d.]+)\)"
    for pattern, expected in (
        (rf"rose by (\d+) per cent from 2008 to 2014 \(90% interval {interval}", _change(base)),
        (rf"if both counted the same, by (\d+) per cent \({interval}", _change(variant)),
        (rf"\| not at all \| ([\d.]+) \({interval}", by_offset[0]),
        (rf"\| 5 % \(the prior of the model\) \| (\d+) \({interval}", by_offset[5]),
        (rf"\| 10 % \| (\d+) \({interval}", by_offset[10]),
        (r"the change put in is (\d+) per cent", [_truth(tmp_path / "cubes" / "simulated.nc")]),
    ):
        (found,) = re.findall(pattern, prose)
        stated = [float(number) for number in ([found] if isinstance(found, str) else found)]
        np.testing.assert_allclose(stated, expected, atol=1)

    rate, rank = _of_one_authority(base)
    (found,) = re.findall(
        r"beside its statistical neighbours: (\d+) per 10,000 children, interval (\d+) to (\d+)",
        prose,
    )
    np.testing.assert_allclose([float(number) for number in found], rate, atol=1)
    (found,) = re.findall(r"rank, (\d+) of 152, with an interval from (\d+) to (\d+)", prose)
    np.testing.assert_allclose([float(number) for number in found], rank, atol=3)


def _of_one_authority(run: Path) -> tuple[list[float], list[float]]:
    """Rate in the last year and its rank, each with its interval, of the tutorial's authority."""
    las = json.loads((run / "spec.json").read_text(encoding="utf-8"))["las"]
    (code,) = [code for code, la in las.items() if la["name"] == "Bramblestead"]
    found = []
    for file, columns in (
        ("estimands", ["mean", "lower", "upper"]),
        ("ranks", ["rank", "rank_lower", "rank_upper"]),
    ):
        table = pd.read_csv(run / f"{file}.csv")
        own = table[(table["estimand"] == "la_rate") & (table["la"] == code)]
        found.append(list(own.sort_values("year").iloc[-1][columns]))
    return found[0], found[1]


def _change(run: Path) -> list[float]:
    table = pd.read_csv(run / "estimands.csv").set_index("estimand")
    return list(table.loc["change_since_knot", ["mean", "lower", "upper"]])


def _truth(cube: Path) -> float:
    prepared = prepare(load_experiment("national_trend", cube=str(cube)))
    experiment = prepared.experiment
    arguments = (prepared.cube, prepared.observations, experiment.options)
    return float(experiment.spec.true_estimands(*arguments)["change_since_knot"])
