"""The page of findings, from made-up documents: rules in words, and nothing injected."""

import json
from pathlib import Path
from typing import Any

import pytest

from reports import pages
from reports.findings_report import (
    answer_words,
    counted_rule_words,
    event_words,
    finding_words,
    multiverse_words,
    probability_words,
    render_findings,
    rule_words,
    summary,
    truth_words,
)
from tests.reports.page import Page

HOSTILE = "<img src=x onerror=alert(1)>\"'"
ABOVE = {"above": 1.0, "supported": 0.95, "not_supported": 0.05}
ANSWER = {
    "label": "Rate ratio per sd",
    "unit": "rate ratio",
    "mean": 1.2345678,
    "sd": 0.05,
    "lower": 1.15,
    "upper": 1.32,
    "interval": "90% equal-tailed",
    "ess_bulk": 1000.0,
    "ess_tail": 900.0,
}


def part(**changes: Any) -> dict[str, Any]:
    """A part that was judged."""
    return {
        "key": "one",
        "claim": "A claim.",
        "role": "primary",
        "estimand": "ratio_per_sd",
        "rule": ABOVE,
        "state": "supported",
        "reason": "",
        "experiment": "national_trend",
        "run": "aaaaaaaaaaaa",
        "at": {"outcome": "referrals"},
        "years": [2010, 2014],
        "misfits": [],
        "loosened": [],
        "answer": ANSWER,
        "probability": 0.998,
        "mcse": 0.001,
        "near_limit": False,
        "multiverse": {"absent": "multiverse not run", "command": "make multiverse MODEL=x"},
    } | changes


def document(**changes: Any) -> dict[str, Any]:
    """Findings of every state, with hostile texts wherever a config or a run may put one."""
    refused = {"answer": None, "probability": None, "run": "", "multiverse": None}
    parts = [
        part(truth=1.1, truth_holds=True),
        part(key="two", state="not reportable", reason=f"R-hat {HOSTILE}", **refused),
        part(key="three", state="not assessed", reason=HOSTILE, **refused),
        part(key="four", state="undecided", near_limit=True, claim=HOSTILE, misfits=[HOSTILE]),
        part(key="five", role="beside", answer=ANSWER | {"label": HOSTILE}, at={"la": HOSTILE}),
    ]
    finding = {
        "key": "finding_1",
        "name": "Finding 1",
        "title": HOSTILE,
        "claim": HOSTILE,
        "denominator": HOSTILE,
        "caveats": [HOSTILE],
        "state": "not reportable",
        "parts": parts,
    }
    return {
        "source": HOSTILE,
        "caveats": [HOSTILE],
        "cube": {"name": HOSTILE, "kind": "simulated England", "hash": "h"},
        "config": {"file": "findings.toml", "hash": "h", "sets": [HOSTILE]},
        "command": f"make findings CUBE={HOSTILE}",
        "findings": [finding],
    } | changes


def write_findings(folder: Path, content: dict[str, Any]) -> Path:
    """A folder of findings."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "findings.json").write_text(json.dumps(content), encoding="utf-8")
    rows = [f"{one['key']},{part['key']}" for one in content["findings"] for part in one["parts"]]
    (folder / "findings.csv").write_text("\n".join(["finding,part", *rows, ""]), encoding="utf-8")
    return folder


def test_hostile_texts_of_configs_and_runs_inject_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "embed", lambda figure, footer: ("data:image/svg+xml,", 1, 1))
    content = document()
    content["findings"][0]["parts"][0] |= {"experiment": '"><script>', "run": "javascript:alert(1)"}
    run = tmp_path / "runs" / '"><script>' / "javascript:alert(1)"
    run.mkdir(parents=True)
    (run / "report.html").touch()
    html = render_findings(write_findings(tmp_path / "findings" / "x", content)).read_text(
        encoding="utf-8"
    )
    page = Page(html)
    assert page.unbalanced == []
    assert HOSTILE not in html
    assert "&lt;img src=x onerror=alert(1)&gt;" in html
    assert [tag for tag, _ in page.tags].count("script") == 1
    assert not [a for _, a in page.tags if any(name.startswith("on") for name in a)]
    links = [str(a["href"]) for tag, a in page.tags if tag == "a"]
    assert not [link for link in links if link.startswith("javascript")]
    assert "../../runs/%22%3E%3Cscript%3E/javascript%3Aalert%281%29/report.html" in links


def test_what_gave_no_verdict_is_unmissable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "embed", lambda figure, footer: ("data:image/svg+xml,", 1, 1))
    html = render_findings(write_findings(tmp_path, document())).read_text(encoding="utf-8")
    assert '<strong class="tag fail">not reportable</strong>' in html
    assert '<strong class="tag not-assessed">not assessed</strong>' in html
    assert "1 finding without a verdict as a whole" in html
    assert "more draws might change the verdict" in html
    assert "changed on the command line" in html
    # The picture carries the kind of data; figures that are absent are named.
    assert "Not drawn, without an estimate: two and three." in html


def test_a_finding_without_estimates_has_no_picture(tmp_path: Path) -> None:
    content = document()
    finding = content["findings"][0]
    finding["parts"] = [one for one in finding["parts"] if not one["answer"]]
    html = render_findings(write_findings(tmp_path, content)).read_text(encoding="utf-8")
    assert "<figure" not in html


@pytest.mark.parametrize(
    ("rule", "unit", "words"),
    [
        ({"above": 1}, "rate ratio", "above 1"),
        ({"below": -0.5}, "per cent", "below −0.5%"),
        ({"within": [-1, 1]}, "percentage points", "between −1 and 1 percentage points"),
        ({"outside": [0.95, 1.05]}, "ratio", "outside 0.95 to 1.05"),
        ({"above": 0}, "per cent a year", "above 0% a year"),
        ({"below": 1}, "odds ratio per sd", "below 1"),
    ],
)
def test_rules_are_told_in_words(rule: dict[str, Any], unit: str, words: str) -> None:
    assert event_words(rule, unit) == words
    whole = rule_words(rule | {"supported": 0.9, "not_supported": 0.1}, unit)
    assert whole == f"{words}: supported from a probability of 0.9 on, not supported up to 0.1"
    assert rule_words(None, unit) == ""


def test_the_rule_of_a_count_speaks_of_no_probability() -> None:
    counted = {"type": "timeliness", "share": 60.0, "least": 56.0, "most": 75.0, "readings": 4}
    types = {"timeliness": 6, "outcome": 4, "activity": 1, "workforce": 0}
    one = part(answer=None, probability=None, rule=ABOVE | {"above": 50}, counted=counted)
    one["counted"]["types"] = types
    assert counted_rule_words(one).startswith("above 50% of the indicators of quality: supported")
    assert "probability" not in counted_rule_words(one)
    assert answer_words(one) == (
        "6 of 10 published indicators of quality are of timeliness, 60%; 56 to 75% under 4 ways to "
        "sort them."
    )


def test_numbers_are_no_more_precise_than_their_error() -> None:
    assert answer_words(part()) == "Rate ratio per sd: 1.23 (90% interval 1.15 to 1.32)."
    alone = ANSWER | {"lower": None, "upper": None, "sd": None, "ess_bulk": None, "interval": None}
    assert answer_words(part(answer=alone)) == "Rate ratio per sd: 1.23."
    assert truth_words(part(answer=alone, truth=1.2)) == "1.20."
    rough = ANSWER | {"ess_bulk": 4.0, "ess_tail": 4.0}
    assert "1.2 (90% interval 1.1 to 1.3)" in answer_words(part(answer=rough))
    assert probability_words(part()).endswith("> 0.99.")
    said = probability_words(part(probability=0.947, mcse=0.013))
    assert said.endswith("above 1: 0.95 (Monte Carlo error 0.01).")
    assert probability_words(part(probability=None)) == ""


def test_truth_is_told_beside_interval_and_claim() -> None:
    said = truth_words(part(truth=1.2, truth_holds=True))
    assert said == "1.20, inside the interval: the claim holds."
    assert "outside the interval: the claim does not" in truth_words(
        part(truth=0.9, truth_holds=False)
    )
    assert truth_words(part(truth_reason="a formula has no truth")).startswith("Not known: a form")
    assert truth_words(part()) == ""


def test_the_multiverse_is_told_or_said_to_be_missing() -> None:
    assert multiverse_words(part()) == "Multiverse not run."
    found = {"asked": 12, "fitted": 12, "specifications": 10, "least": 1.1, "most": 1.3}
    found |= {"sd": 0.05, "unit": "rate ratio", "clear": 9}
    assert multiverse_words(part(multiverse=found)) == (
        "1.10 to 1.30 over 10 reportable specifications, 9 with their whole interval on the "
        "claimed side; 2 more are not reportable or not fitted."
    )


def test_counts_of_states_print_their_zeros() -> None:
    finding = document()["findings"][0]
    assert finding_words(finding) == (
        "Of 4 deciding claims: 1 supported, 1 undecided, 1 not reportable, 1 not assessed"
    )
    found = summary([finding])["headline"].replace("\N{NO-BREAK SPACE}", " ")
    assert found == ("0 supported, 0 not supported, 0 undecided, 1 not reportable, 0 not assessed")
    assert "could be judged" in summary([finding | {"state": "described"}])["detail"]
