"""The page of findings: what the study says, what data and models say, and the verdict by rule."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from matplotlib.figure import Figure

from reports.figures import (
    ACCENT,
    GREY,
    OBSERVED,
    SOFT,
    WIDTH,
    Panel,
    count_axis,
    house_style,
    not_assessed,
)
from reports.pages import download, environment, show_panel, write_page
from reports.wording import (
    capital,
    count,
    decimals,
    estimate,
    limit,
    listing,
    number,
    probability,
    quantity,
    with_unit,
)

CSS = {
    "supported": "pass",
    "not supported": "against",
    "undecided": "open",
    "described": "plain",
    "not reportable": "fail",
    "not assessed": "not-assessed",
}
# A Monte Carlo error of a probability up to this does not show in two decimals.
_SILENT_ERROR = 0.005


def render_findings(folder: Path) -> Path:
    """Write ``findings.html`` into a folder of findings.

    Raises
    ------
    FileNotFoundError
        When the folder holds no findings.
    """
    document = json.loads((folder / "findings.json").read_text(encoding="utf-8"))
    kind = capital(str(document["cube"]["kind"]))
    with house_style():
        findings = [_finding(one, kind, folder) for one in document["findings"]]
    html = (
        environment()
        .get_template("findings.html")
        .render(
            document=document,
            kind=kind,
            is_simulated="simulated" in kind.lower(),
            findings=findings,
            summary=summary(findings),
            csv=download(folder / "findings.csv"),
        )
    )
    return write_page(folder / "findings.html", html)


def summary(findings: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """What became of the findings, in a line, and what is missing in another."""
    states = [str(finding["state"]) for finding in findings]
    judged = [
        # A number does not part from its words at the end of a line.
        f"{count(states.count(state))} {state}".replace(" ", "\N{NO-BREAK SPACE}")
        for state in ("supported", "not supported", "undecided", "not reportable", "not assessed")
    ]
    missing = states.count("not reportable") + states.count("not assessed")
    detail = (
        f"{quantity(missing, 'finding')} without a verdict as a whole: the reasons stand beside "
        "the claims that could not be judged."
        if missing
        else "Every finding with a rule could be judged."
    )
    return {"headline": ", ".join(judged), "detail": detail}


def _finding(finding: Mapping[str, Any], stamp: str, folder: Path) -> dict[str, Any]:
    parts = [_part(part, folder) for part in finding["parts"]]
    return {
        **finding,
        "css": CSS[finding["state"]],
        "words": finding_words(finding),
        "truth": ""
        if finding.get("truth_holds") is None
        else "holds"
        if finding["truth_holds"]
        else "does not hold",
        "parts": parts,
        "panel": show_panel(panel(finding), stamp),
    }


def finding_words(finding: Mapping[str, Any]) -> str:
    """How the verdict on a finding comes about."""
    primary = [part for part in finding["parts"] if part["role"] == "primary"]
    states = [part["state"] for part in primary]
    if finding["state"] == "described":
        return "Described, without a rule and so without a verdict"
    counts = [f"{count(states.count(state))} {state}" for state in CSS if state in states]
    return f"Of {quantity(len(primary), 'deciding claim')}: {', '.join(counts)}"


def _part(part: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    multiverse = part.get("multiverse") or {}
    return {
        **part,
        "css": CSS[part["state"]],
        "answer": answer_words(part),
        "probability": probability_words(part),
        "rule": counted_rule_words(part)
        if part.get("counted")
        else rule_words(part.get("rule"), unit_of(part)),
        "near": near_words(part),
        "truth": truth_words(part),
        "multiverse": multiverse_words(part),
        "command": multiverse.get("command") if multiverse.get("absent") else "",
        "misfits": "; ".join(part.get("misfits") or []),
        "loosened": ", ".join(part.get("loosened") or []),
        "place": place_words(part),
        "link": link_to_run(part, folder),
        "types": type_rows(part),
    }


def link_to_run(part: Mapping[str, Any], folder: Path) -> str:
    """Where a run's report lies from a folder of findings; blank where there is none.

    A site is laid out as the folder of results is, so that the link holds there too.
    """
    steps = ["..", "..", "runs", str(part.get("experiment")), str(part.get("run")), "report.html"]
    if not part.get("run") or not folder.joinpath(*steps).is_file():
        return ""
    return "/".join(quote(step, safe="") for step in steps)


def unit_of(part: Mapping[str, Any]) -> str:
    """The unit of a part's estimand."""
    if part.get("counted"):
        return "per cent"
    given = part.get("answer") or part.get("declared") or {}
    return str(given.get("unit") or "")


def answer_words(part: Mapping[str, Any]) -> str:
    """The estimand with its interval, or the count."""
    if counted := part.get("counted"):
        types = counted["types"]
        of = types["timeliness"] + types["outcome"]
        said = (
            f"{count(types[counted['type']])} of {count(of)} published indicators of quality are "
            f"of {counted['type']}, {number(counted['share'], places=0)}%"
        )
        if counted["readings"] > 1:
            low, high = (number(counted[key], places=0) for key in ("least", "most"))
            said += f"; {low} to {high}% under {count(counted['readings'])} ways to sort them"
        return f"{said}."
    answer = part.get("answer")
    if not answer:
        return ""
    found = estimate(answer)
    stated = _stated(found.mean, found.unit)
    if not found.interval:
        return f"{answer['label']}: {stated}."
    # The width alone: the kind stands beside the run.
    width = str(answer["interval"] or "").partition(" ")[0]
    return f"{answer['label']}: {stated} ({width} interval {found.interval})."


def place_words(part: Mapping[str, Any]) -> str:
    """Where and when: coordinates, years and the kind of interval."""
    said = [str(value) for value in (part.get("at") or {}).values()]
    years = part.get("years") or []
    if years:
        said.append(f"data of {min(years)} to {max(years)}" if len(years) > 1 else f"{years[0]}")
    interval = (part.get("answer") or {}).get("interval")
    if interval:
        said.append(f"{interval} interval")
    return ", ".join(said)


def probability_words(part: Mapping[str, Any]) -> str:
    """How probable the claim is; its Monte Carlo error where two decimals would hide it."""
    if part.get("probability") is None:
        return ""
    said = f"Probability that this is {event_words(part['rule'], unit_of(part))}: "
    said += probability(part["probability"])
    error = part.get("mcse")
    if error is not None and error > _SILENT_ERROR:
        said += f" (Monte Carlo error {number(error, places=2)})"
    return f"{said}."


def event_words(rule: Mapping[str, Any], unit: str) -> str:
    """``above 1``, ``between −1 and 1 percentage points``."""
    for side in ("above", "below"):
        if side in rule:
            return f"{side} {_stated(_signed(rule[side]), unit)}"
    name = "within" if "within" in rule else "outside"
    low, high = rule[name]
    words = ("between", "and") if name == "within" else ("outside", "to")
    return f"{words[0]} {_signed(low)} {words[1]} {_stated(_signed(high), unit)}"


def _signed(value: float) -> str:
    return limit(value).replace("-", "−")


def _stated(text: str, unit: str) -> str:
    """A number with its unit; a ratio is said to be one by its label."""
    plain = unit.partition(", ")[0]
    return text if "ratio" in plain else with_unit(text, plain)


def rule_words(rule: Mapping[str, Any] | None, unit: str) -> str:
    """The rule in words."""
    if not rule:
        return ""
    return (
        f"{event_words(rule, unit)}: supported from a probability of {limit(rule['supported'])} "
        f"on, not supported up to {limit(rule['not_supported'])}"
    )


def counted_rule_words(part: Mapping[str, Any]) -> str:
    """The rule of a count, which has no probability."""
    return (
        f"{event_words(part['rule'], 'per cent')} of the indicators of quality: supported where "
        "this is so under every way to sort them, not supported where it is so under none"
    )


def near_words(part: Mapping[str, Any]) -> str:
    """Said where chance of the draws might have decided the verdict."""
    if not part.get("near_limit"):
        return ""
    return "Within two Monte Carlo errors of a limit: more draws might change the verdict."


def truth_words(part: Mapping[str, Any]) -> str:
    """On simulated England: what is true, and whether interval and verdict agree with it."""
    if part.get("truth") is None:
        reason = part.get("truth_reason")
        return f"Not known: {reason}." if reason else ""
    answer = part["answer"]
    found = estimate({**answer, "mean": part["truth"], "lower": None, "upper": None})
    said = _stated(found.mean, found.unit)
    if answer["lower"] is not None:
        inside = answer["lower"] <= part["truth"] <= answer["upper"]
        said += f", {'inside' if inside else 'outside'} the interval"
    if part.get("truth_holds") is None:
        return f"{said}."
    return f"{said}: the claim {'holds' if part['truth_holds'] else 'does not hold'}."


def multiverse_words(part: Mapping[str, Any]) -> str:
    """The range over specifications, or why there is none."""
    found = part.get("multiverse")
    if not found:
        return ""
    if found.get("absent"):
        return f"{capital(found['absent'])}."
    # A tenth of a usual sd: the error of each mean is smaller than that in a reportable run.
    places = max(decimals(found["most"], sd=found["sd"]) - 1, 0)
    low, high = (number(found[end], places=places) for end in ("least", "most"))
    said = (
        f"{low} to {with_unit(high, found['unit'])} over "
        f"{quantity(found['specifications'], 'reportable specification')}"
    )
    if "clear" in found:
        said += f", {count(found['clear'])} with their whole interval on the claimed side"
    rest = found["asked"] - found["specifications"]
    if rest:
        said += f"; {count(rest)} more are not reportable or not fitted"
    return f"{said}."


def type_rows(part: Mapping[str, Any]) -> dict[str, Any]:
    """Indicators by type and year, of a part that counts them."""
    counted = part.get("counted")
    if not counted:
        return {}
    kinds = list(counted["types"])
    years = [
        (year, [counts[kind] for kind in kinds]) for year, counts in counted["by_year"].items()
    ]
    return {
        "kinds": kinds,
        "indicators": [
            (kind, counted["types"][kind], ", ".join(counted["indicators"][kind]) or "none")
            for kind in kinds
        ],
        "years": years,
    }


# --------------------------------------------------------------------------------------- figure


def panel(finding: Mapping[str, Any]) -> Panel:
    """Every estimand of a finding with its interval and the limit of its rule."""
    shown = [
        part
        for part in finding["parts"]
        if part.get("answer") and part["answer"]["lower"] is not None
    ]
    title = f"{finding['name']}: estimates and limits"
    key = f"finding-{finding['key']}"
    if not shown:
        reasons = [part["reason"] for part in finding["parts"] if part["reason"]]
        return not_assessed(key, title, reasons[0] if reasons else "nothing was estimated")
    clear = sum(part["state"] == "supported" for part in shown)
    absent = [part["key"].replace("_", " ") for part in finding["parts"] if part not in shown]
    shows = f"{count(clear)} of {quantity(len(shown), 'estimate')} lie clear on the claimed side."
    if absent:
        shows += f" Not drawn, without an estimate: {listing(absent, 6)}."
    true = any(part.get("truth") is not None for part in shown)
    return Panel(
        key,
        title,
        plot_parts(shown),
        alt="Posterior mean and interval of each claim's estimand, with the limit of its rule as "
        "a dashed line" + (" and the simulated truth as a diamond." if true else "."),
        read="Each point is a posterior mean with its interval; the dashed line or pale band is "
        "the limit that the rule holds it against. Hollow points stand beside and do not decide."
        + (" Diamonds are the truth behind the simulated figures." if true else ""),
        shows=shows,
        interval=str(shown[0]["answer"]["interval"]),
        rows=("findings", "finding", (finding["key"],)),
    )


def plot_parts(parts: Sequence[Mapping[str, Any]]) -> Figure:
    """Rows by claim; claims of one unit and one limit share an axis."""
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for part in parts:
        rule = part.get("rule") or {}
        sides = ("above", "below", "within", "outside")
        limits = str([rule[side] for side in sides if side in rule])
        groups.setdefault((unit_of(part), limits), []).append(part)
    sizes = [len(own) for own in groups.values()]
    figure = Figure(figsize=(WIDTH, 0.35 + sum(0.32 * n + 0.55 for n in sizes)))
    axes = figure.subplots(
        len(groups), 1, squeeze=False, gridspec_kw={"height_ratios": [n + 0.4 for n in sizes]}
    )
    for axis, ((unit, _), own) in zip(axes[:, 0], groups.items(), strict=True):
        y = np.arange(len(own))
        rows = [part["answer"] for part in own]
        rule = own[0].get("rule") or {}
        for side in ("above", "below"):
            if side in rule:
                axis.axvline(rule[side], color=GREY, linewidth=0.9, linestyle=(0, (4, 3)))
        span = rule.get("within") or rule.get("outside")
        if span:
            axis.axvspan(*span, color=GREY, alpha=0.18, linewidth=0)
        axis.hlines(y, [r["lower"] for r in rows], [r["upper"] for r in rows], color=ACCENT, lw=2)
        faces = [ACCENT if part["role"] == "primary" else "white" for part in own]
        axis.scatter([r["mean"] for r in rows], y, s=30, c=faces, edgecolors=ACCENT, zorder=3)
        true = [(part["truth"], i) for i, part in enumerate(own) if part.get("truth") is not None]
        if true:
            axis.scatter(*zip(*true, strict=True), s=34, marker="D", c=OBSERVED, zorder=4)
        axis.set_yticks(y, [part["key"].replace("_", " ") for part in own])
        axis.set_ylim(len(own) - 0.4, -0.6)
        axis.tick_params(axis="y", labelcolor=SOFT)
        axis.set_xlabel(capital(unit) or "Value")
        count_axis(axis.xaxis)
    return figure
