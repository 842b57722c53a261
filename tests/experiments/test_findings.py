"""Findings: a closed config, rules applied to draws, and no verdict where none is due."""

import csv
import io
import json
import logging
import shutil
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from data_prep.errors import DataError
from data_prep.schema import save_cube
from data_prep.simulated import SimulationOptions, build_simulated
from experiments import findings, store
from experiments.__main__ import main
from experiments.diagnostics import INTERVAL_WIDTH
from experiments.findings import combine, gather_range, judge_draws, select
from experiments.findings_config import FINDINGS, Rule, load_findings
from reports.findings_report import render_findings
from tests.reports.page import Page

# ------------------------------------------------------------------------------------------ rules


@pytest.mark.parametrize(
    ("rule", "holding"),
    [
        ({"above": 1}, [False, False, True]),
        ({"below": 1}, [True, False, False]),
        ({"within": (0.5, 1.5)}, [False, True, False]),
        ({"outside": (0.5, 1.5)}, [True, False, True]),
    ],
)
def test_a_rule_says_of_which_values_the_claim_holds(
    rule: dict[str, Any], holding: list[bool]
) -> None:
    assert Rule(**rule).holds([0.4, 1.0, 1.6]).tolist() == holding


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({}, "one of above"),
        ({"above": 1, "below": 2}, "one of above"),
        ({"within": (2, 1)}, "backwards"),
        ({"above": 1, "supported": 0.4}, "greater than 0.5"),
        ({"above": 1, "colour": 1}, "Extra inputs"),
    ],
)
def test_a_rule_is_closed(rule: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Rule(**rule)


@given(st.floats(0, 1))
def test_every_probability_has_one_verdict(probability: float) -> None:
    found = Rule(above=0).verdict(probability)
    assert (found == "supported") == (probability >= 0.95)
    assert (found == "not supported") == (probability <= 0.05)


# A busy machine is slow, not wrong.
@given(st.floats(-3, 3))
def test_the_usual_rule_and_the_house_interval_agree(mean: float) -> None:
    """A claim is supported where the whole house interval lies on its side."""
    values = mean + np.random.default_rng(1).normal(size=(4, 500))
    lower, upper = np.quantile(values, [(1 - INTERVAL_WIDTH) / 2, (1 + INTERVAL_WIDTH) / 2])
    found = judge_draws(values, Rule(above=0))["state"]
    if abs(lower) > 0.01:
        assert (found == "supported") == (lower > 0)
    if abs(upper) > 0.01:
        assert (found == "not supported") == (upper < 0)


def test_probabilities_come_with_their_monte_carlo_error() -> None:
    values = np.random.default_rng(1).normal(size=(4, 500)) + 1.645
    found = judge_draws(values, Rule(above=0))
    assert found["probability"] == pytest.approx(0.95, abs=0.02)
    assert found["mcse"] == pytest.approx(np.sqrt(0.95 * 0.05 / 2000), rel=0.3)
    assert found["near_limit"]
    certain = judge_draws(values + 20, Rule(above=0))
    assert certain == {
        "state": "supported",
        "probability": 1.0,
        "mcse": None,
        "near_limit": False,
    }


@pytest.mark.parametrize(
    ("states", "found"),
    [
        (["supported", "supported"], "supported"),
        (["supported", "undecided"], "undecided"),
        (["supported", "not assessed"], "not assessed"),
        (["supported", "not reportable", "not assessed"], "not reportable"),
        (["not assessed", "not supported"], "not supported"),
        (["described", "supported"], "supported"),
        (["described", "not assessed"], "not assessed"),
        (["described"], "described"),
        ([], "described"),
    ],
)
def test_a_finding_is_supported_where_all_its_claims_are(states: list[str], found: str) -> None:
    assert combine(states) == found


def test_a_finding_is_true_where_all_its_claims_are() -> None:
    assert findings.combine_truth([True, True]) is True
    assert findings.combine_truth([True, None, False]) is False
    assert findings.combine_truth([True, None]) is None
    assert findings.combine_truth([]) is None


# ------------------------------------------------------------------------------- places and ranges


def test_one_place_of_an_estimand_is_chosen() -> None:
    array = xr.DataArray(
        np.arange(6.0).reshape(2, 3), dims=("draw", "year"), coords={"year": [2011, 2012, 2013]}
    )
    values, at = select(array, {"year": "last"})
    assert values.values.tolist() == [2, 5]
    assert at == {"year": 2013}
    assert select(array, {"year": 2012})[1] == {"year": 2012}
    assert select(array[:, 0].drop_vars("year"), {})[1] == {}
    with pytest.raises(findings._UnansweredError, match="0 of year 1999"):
        select(array, {"year": 1999})


def test_coordinates_that_share_a_dimension_are_matched_together() -> None:
    array = xr.DataArray(
        [[1.0, 2.0, 3.0]],
        dims=("draw", "row"),
        coords={
            "term": ("row", ["imd", "imd", "year"]),
            "step": ("row", ["1 sd more (8)", "1 more", "1 more"]),
        },
    )
    values, at = select(array, {"term": "*imd*", "step": "1 sd more*"})
    assert values.values.tolist() == [1]
    assert at == {"term": "imd", "step": "1 sd more (8)"}
    with pytest.raises(findings._UnansweredError, match="2 of"):
        select(array, {"step": "1 more"})


def curves(**changes: Any) -> pd.DataFrame:
    table = pd.DataFrame(
        {
            "mean": [1.1, 1.2, 1.3, 9.0],
            "sd": 0.1,
            "lower": [0.9, 1.1, 1.2, 8.0],
            "upper": [1.3, 1.3, 1.4, 10.0],
            "unit": "rate ratio",
            "reportable": [True, True, True, False],
        }
    )
    return table.assign(**changes)


def test_the_range_is_of_reportable_specifications() -> None:
    cells = pd.DataFrame({"state": ["reportable"] * 3 + ["not reportable", "failed", "left out"]})
    found = gather_range(cells, curves(), Rule(above=1))
    assert (found["least"], found["most"], found["clear"]) == (1.1, 1.3, 2)
    assert (found["asked"], found["fitted"], found["specifications"]) == (5, 4, 3)
    assert gather_range(cells, curves(), Rule(below=1.35))["clear"] == 2
    assert gather_range(cells, curves(), Rule(within=(0.8, 1.35)))["clear"] == 2
    assert gather_range(cells, curves(), Rule(outside=(0.95, 1.05)))["clear"] == 2
    assert "absent" in gather_range(cells, curves(reportable=False), Rule(above=1))


# ----------------------------------------------------------------------------------------- config


def test_the_committed_config_is_accepted_and_names_what_the_study_needs() -> None:
    config, experiments = load_findings()
    assert [finding.key for finding in config.findings] == [
        *(f"finding_{number}" for number in range(1, 6)),
        *(f"implication_{number}" for number in (2, 3, 5)),
    ]
    assert set(experiments) == set(config.experiments)
    for finding in config.findings:
        judged = [part for part in finding.parts if part.role == "primary" and part.rule]
        # What is judged names its denominator beforehand.
        assert finding.denominator or not judged
        assert finding.caveats


SMALL = """
source = "a study"
[experiments.trend]
model = "national_trend"
[[findings]]
key = "one"
name = "Finding 1"
title = "A title"
claim = "A claim"
denominator = "children"
[[findings.parts]]
key = "growth"
claim = "It grows."
experiment = "trend"
estimand = "annual_growth"
rule = { above = 0 }
"""


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("annual_growth", "growth", ["findings.toml", "one.growth.estimand", "annual_growth"]),
        ("rule =", "at = { year = 2012 }\nrule =", ["one.growth.at", "not the estimand's"]),
        ("rule = { above = 0 }", "rule = { over = 0 }", ["findings.one.parts.growth", "unknown"]),
        ('"national_trend"', '"trend"', ["experiments.trend", "no such model"]),
        ('"trend"\nest', '"path"\nest', ["no experiment 'path'", "no part uses"]),
        ("model =", 'set = ["options.trend=x"]\nmodel =', ["experiments.trend", "options.trend"]),
        ("rule =", 'multiverse = { a = "b" }\nrule =', ["multiverse", "declares no grid"]),
        ("claim = ", "colour = 1\nclaim = ", ["findings.one.colour", "unknown key"]),
        ("[[findings]]", "[[findings", ["not valid TOML"]),
        ('experiment = "trend"\n', "", ["one of experiment, counted"]),
    ],
)
def test_faults_are_told_with_their_place(
    tmp_path: Path, old: str, new: str, words: list[str]
) -> None:
    path = tmp_path / "findings.toml"
    assert old in SMALL
    path.write_text(SMALL.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(DataError) as error:
        load_findings(path)
    assert [word for word in words if word not in str(error.value)] == []


def test_every_fault_is_told_at_once(tmp_path: Path) -> None:
    path = tmp_path / "findings.toml"
    path.write_text(
        SMALL.replace("annual_growth", "growth").replace(
            "[[findings]]", '[experiments.other]\nmodel = "nothing"\n[[findings]]'
        )
        + '[[findings.parts]]\nkey = "b"\nclaim = "B."\nexperiment = "other"\nestimand = "x"\n',
        encoding="utf-8",
    )
    with pytest.raises(DataError) as error:
        load_findings(path)
    assert len(error.value.faults) == 2
    with pytest.raises(DataError, match="no such file"):
        load_findings(tmp_path / "absent.toml")


def test_a_margin_is_the_model_s_own(tmp_path: Path) -> None:
    text = FINDINGS.read_text(encoding="utf-8").replace("within = [-1, 1]", "within = [-2, 2]", 1)
    path = tmp_path / "findings.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match="not the margin"):
        load_findings(path)


# ------------------------------------------------------------------------------------- end to end

SMALL_ENGLAND = SimulationOptions(name="small", las=12, first_year=2010, last_year=2014, seed=3)
# One cheap fit, judged under limits so loose that it passes them, and told to be so.
CHEAP = [
    *("options.trend=linear", "options.la_effect=level", "options.knot=2012"),
    *("sampler.draws=150", "sampler.tune=200", "sampler.chains=2"),
    *("gates.ess=1", "gates.r_hat=2", "gates.divergences=1000", "gates.e_bfmi=0"),
]
# The first authority of the small cube.
LA = str(build_simulated(SMALL_ENGLAND)["cube"]["la"].to_numpy()[0])
WHOLE = f"""
source = "a study"
caveats = ["Everything is ecological."]
[experiments.trend]
model = "national_trend"
set = {json.dumps(CHEAP)}
[experiments.agency]
model = "inadequacy"
variant = "ilacs"
[[findings]]
key = "one"
name = "Finding 1"
title = "A <script>alert(1)</script> title"
claim = "A claim"
denominator = "children"
[[findings.parts]]
key = "growth"
claim = "It grows."
experiment = "trend"
estimand = "annual_growth"
rule = {{ above = 0 }}
[[findings.parts]]
key = "rate"
claim = "The rate of the last year."
role = "beside"
experiment = "trend"
estimand = "national_rate"
at = {{ year = "last" }}
[[findings.parts]]
key = "chance"
claim = "A place among the highest."
role = "beside"
experiment = "trend"
estimand = "la_p_top_fifth"
at = {{ la = "{LA}" }}
[[findings.parts]]
key = "judged_chance"
claim = "A place among the highest, judged."
role = "beside"
experiment = "trend"
estimand = "la_p_top_fifth"
at = {{ la = "{LA}" }}
rule = {{ above = 0.5 }}
[[findings.parts]]
key = "share"
claim = "Mostly timeliness."
counted = "timeliness"
rule = {{ above = 50 }}
[[findings]]
key = "two"
name = "Finding 2"
title = "Agencies"
claim = "A claim"
denominator = "inspections"
[[findings.parts]]
key = "agency"
claim = "Agencies."
experiment = "agency"
estimand = "odds_ratio"
at = {{ predictor = "Agency workers" }}
rule = {{ above = 1 }}
[[findings.parts]]
key = "never"
claim = "Never published."
not_measurable = "nobody counted"
rule = {{ above = 1 }}
"""


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of findings that one call of the command wrote."""
    results = tmp_path_factory.mktemp("results")
    save_cube(build_simulated(SMALL_ENGLAND), results / "cubes" / "small.nc")
    (results / "whole.toml").write_text(WHOLE, encoding="utf-8")
    root = logging.getLogger()
    kept, level = root.handlers, root.level
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "RESULTS", results)
        call = ["findings", "--cube", "small", "--config", str(results / "whole.toml")]
        with redirect_stdout(io.StringIO()) as said:
            assert main([*call, "--workers", "1"]) == 0
        assert "1 to fit, 1 refused by these data" in said.getvalue()
        root.handlers, root.level = kept, level
        yield results / "findings" / "small"


@pytest.fixture
def restored(written: Path, tmp_path: Path) -> Iterator[Path]:
    """The same folder, for tests that write into it: it is put back as it was."""
    kept = shutil.copytree(written, tmp_path / "kept")
    yield written
    shutil.rmtree(written)
    shutil.copytree(kept, written)


def read(folder: Path) -> dict[str, dict[str, Any]]:
    document = json.loads((folder / "findings.json").read_text(encoding="utf-8"))
    return {
        f"{finding['key']}.{part['key']}": part
        for finding in document["findings"]
        for part in finding["parts"]
    }


def test_a_verdict_follows_from_the_stored_draws(written: Path) -> None:
    part = read(written)["one.growth"]
    run = written.parents[1] / "runs" / "national_trend" / part["run"]
    table = pd.read_csv(run / "estimands.csv").set_index("estimand")
    row = table.loc["annual_growth"]
    assert part["answer"]["mean"] == pytest.approx(row["mean"])
    assert 0 <= part["probability"] <= 1
    assert (part["state"] == "supported") == (part["probability"] >= 0.95)
    if abs(row["lower"]) > 0.05:
        assert (part["state"] == "supported") == (row["lower"] > 0)
    assert {"ess", "r_hat", "divergences", "e_bfmi"} == set(part["loosened"])


def test_simulated_england_shows_its_truth(written: Path) -> None:
    part = read(written)["one.growth"]
    assert part["truth_holds"] == (part["truth"] > 0)
    last = read(written)["one.rate"]
    assert last["state"] == "described"
    assert last["at"] == {"year": 2014}
    assert last["truth"] == pytest.approx(last["answer"]["mean"], rel=0.3)


def test_a_summary_of_draws_is_described_and_never_judged(written: Path) -> None:
    parts = read(written)
    assert parts["one.chance"]["state"] == "described"
    assert 0 <= parts["one.chance"]["answer"]["mean"] <= 1
    assert parts["one.chance"]["answer"]["lower"] is None
    assert parts["one.judged_chance"]["state"] == "not assessed"
    assert "itself a summary of draws" in parts["one.judged_chance"]["reason"]


def test_what_data_refuse_or_nobody_published_gets_no_verdict(written: Path) -> None:
    parts = read(written)
    assert parts["two.agency"]["state"] == "not assessed"
    assert "these data refuse the experiment" in parts["two.agency"]["reason"]
    assert parts["two.never"]["reason"] == "nobody counted"
    document = json.loads((written / "findings.json").read_text(encoding="utf-8"))
    assert document["findings"][1]["state"] == "not assessed"


def test_counts_of_indicators_are_told_with_every_reading(written: Path) -> None:
    counted = read(written)["one.share"]["counted"]
    assert counted["types"]["timeliness"] == 6
    assert counted["least"] <= counted["share"] <= counted["most"]
    assert read(written)["one.share"]["state"] == "supported"
    assert read(written)["one.share"]["truth_holds"]


def test_the_table_holds_every_part(written: Path) -> None:
    text = (written / "findings.csv").read_text(encoding="utf-8")
    rows = {(row["finding"], row["part"]): row for row in csv.DictReader(io.StringIO(text))}
    assert len(rows) == 7
    growth = rows["one", "growth"]
    assert growth["state"] == read(written)["one.growth"]["state"]
    assert float(growth["probability"]) == pytest.approx(read(written)["one.growth"]["probability"])
    assert growth["event"] == "above 0"
    assert growth["unit"] == "per cent a year"
    assert rows["two", "agency"]["label"].startswith("Odds ratio")
    assert rows["two", "never"]["mean"] == ""


def test_the_page_says_it_all_and_runs_nothing(written: Path) -> None:
    html = (written / "findings.html").read_text(encoding="utf-8")
    page = Page(html)
    assert page.unbalanced == []
    assert [tag for tag, _ in page.tags].count("script") == 1
    assert "A &lt;script&gt;alert(1)&lt;/script&gt; title" in html
    for words in ("Simulated England", "Nobody counted", "Everything is ecological.", "make find"):
        assert words in html
    links = [a["href"] for tag, a in page.tags if tag == "a" and (a["href"] or "")[:3] == "../"]
    assert links
    assert all((written / str(link)).is_file() for link in links)


def test_the_site_gathers_what_the_command_wrote(written: Path) -> None:
    with redirect_stdout(io.StringIO()) as said:
        assert main(["site"]) == 0
    assert "1 run, " in said.getvalue()
    site = written.parents[1] / "site"
    index = (site / "index.html").read_text(encoding="utf-8")
    part = read(written)["one.growth"]
    assert f"runs/national_trend/{part['run']}/report.html" in index
    assert (site / "findings" / "small" / "findings.html").is_file()
    assert (site / "runs" / "national_trend" / part["run"] / "report.html").is_file()


RANGED = """
source = "a study"
[experiments.demand]
model = "deprivation"
[[findings]]
key = "one"
name = "Finding 1"
title = "A title"
claim = "A claim"
denominator = "children"
[[findings.parts]]
key = "demand"
claim = "More referrals."
experiment = "demand"
estimand = "ratio_per_sd"
at = { outcome = "referrals" }
rule = { above = 1 }
multiverse = { outcome = "referrals", denominator = "per child" }
"""


def test_a_multiverse_of_the_same_cube_stands_beside(restored: Path, tmp_path: Path) -> None:
    results = restored.parents[1]
    path = tmp_path / "ranged.toml"
    path.write_text(RANGED, encoding="utf-8")

    def found() -> dict[str, Any]:
        plan = findings.plan_findings("small", path)
        part = read(findings.write_findings(plan, []))["one.demand"]
        assert part["state"] == "not assessed"
        assert part["reason"] == "not fitted yet"
        return dict(part["multiverse"])

    expected = "make multiverse MODEL=deprivation CUBE=small"
    assert found() == {"absent": "multiverse not run", "command": expected}
    run = results / "runs" / "deprivation" / "aaaaaaaaaaaa"
    folder = results / "multiverse" / "deprivation"
    for one in (run, folder):
        one.mkdir(parents=True)
    (run / "verdict.json").write_text("{}")
    cube = findings.plan_findings("small", path).cube
    levels = {"outcome": "referrals", "denominator": "per child"}
    cells = pd.DataFrame(
        [
            {"cell": 1, **levels, "state": "reportable", "run": run.name, "seconds": 1.0},
            {"cell": 2, **levels, "state": "failed", "run": "", "seconds": np.nan},
            {"cell": 3, **levels, "outcome": "plans started", "state": "reportable"},
        ]
    )
    cells.to_csv(folder / "cells.csv", index=False)
    kept = {"estimand": "ratio_per_sd", "unit": "rate ratio", "sd": 0.05, "reportable": True}
    pd.DataFrame(
        [
            {**levels, **kept, "at": "referrals", "mean": 1.2, "lower": 1.1, "upper": 1.3},
            {**levels, **kept, "at": "section47", "mean": 3.0, "lower": 2.0, "upper": 4.0},
            {**levels, **kept, "outcome": "plans started", "at": "referrals", "mean": 9.0},
        ]
    ).to_csv(folder / "curves.csv", index=False)
    try:
        for hashed, cube_name, is_same in (
            (cube.attrs["cube_hash"], "small", True),
            ("other", "small", False),
            (cube.attrs["cube_hash"], "simulated", False),
        ):
            (run / "provenance.json").write_text(json.dumps({"cube": {"hash": hashed}}))
            (folder / "multiverse.json").write_text(json.dumps({"cube": cube_name}))
            answer = found()
            assert ("absent" not in answer) == is_same
            if is_same:
                assert (answer["least"], answer["most"]) == (1.2, 1.2)
                assert (answer["asked"], answer["specifications"], answer["clear"]) == (2, 1, 1)
    finally:
        shutil.rmtree(run)
        shutil.rmtree(folder)


def again(written: Path, tmp_path: Path) -> dict[str, dict[str, Any]]:
    """The same findings from what is stored now."""
    path = written.parents[1] / "whole.toml"
    plan = findings.plan_findings("small", path)
    folder = findings.write_findings(plan, [])
    html = render_findings(folder).read_text(encoding="utf-8")
    (tmp_path / "page.html").write_text(html, encoding="utf-8")
    return read(folder)


def test_a_run_that_is_not_reportable_gets_no_verdict(restored: Path, tmp_path: Path) -> None:
    part = read(restored)["one.growth"]
    path = restored.parents[1] / "runs" / "national_trend" / part["run"] / "verdict.json"
    kept = path.read_text()
    verdict = json.loads(kept)
    verdict["reportable"] = False
    verdict["gates"][0]["status"] = "fail"
    verdict["predictive_checks"][0] |= {"status": "misfit", "label": "<b>bold</b> misfit"}
    try:
        path.write_text(json.dumps(verdict))
        found = again(restored, tmp_path)
    finally:
        path.write_text(kept)
    assert found["one.growth"]["state"] == "not reportable"
    assert found["one.growth"]["reason"] == "rank R-hat fail"
    assert "probability" not in found["one.growth"]
    html = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert '<strong class="tag fail">not reportable</strong>' in html
    assert "&lt;b&gt;bold&lt;/b&gt; misfit" in html
    assert "<b>bold</b>" not in html


def test_a_summary_of_other_draws_is_not_trusted(restored: Path, tmp_path: Path) -> None:
    part = read(restored)["one.growth"]
    path = restored.parents[1] / "runs" / "national_trend" / part["run"] / "estimands.csv"
    kept = path.read_text()
    table = pd.read_csv(path)
    table["mean"] += table["sd"]
    try:
        table.to_csv(path, index=False)
        found = again(restored, tmp_path)
    finally:
        path.write_text(kept)
    assert found["one.growth"]["state"] == "not assessed"
    assert "not that of the stored draws" in found["one.growth"]["reason"]
