"""One cube as one self-contained HTML file, from the cube and the findings beside it alone."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from reports import data_tables, figures_data, wording
from reports.cube_file import CubeFile, Indicator, Series
from reports.figures import Panel, house_style, not_assessed
from reports.pages import download, environment, script_data, show_panel, write_page

# Sections in reading order: anchor, heading, word in the navigation.
SECTIONS = (
    ("cube", "What this cube is", "Cube"),
    ("coverage", "Coverage", "Coverage"),
    ("missing", "What is missing, and why", "Missing"),
    ("hidden", "Hidden counts", "Hidden"),
    ("sums", "Authorities against England", "Sums"),
    ("printed", "Printed rates against counts", "Printed"),
    ("regimes", "Definitions and England's series", "Definitions"),
    ("findings", "Checks and findings", "Findings"),
    ("joined", "Joined authorities", "Joined"),
    ("sources", "Sources and releases", "Sources"),
    ("profile", "One authority", "Profile"),
)
NO_BOUNDS = "the cube holds no hidden count"


def render_data_report(cube_path: Path) -> Path:
    """Write ``<name>.report.html`` beside a cube, whole or not at all, and return its path.

    Raises
    ------
    FileNotFoundError
        When there is no such cube.
    ValueError
        When the file holds no group ``/cube``.
    """
    path = Path(cube_path)
    cube = CubeFile.read(path)
    with house_style():
        html = environment().get_template("data.html").render(_context(cube))
    return write_page(path.with_suffix(".report.html"), html)


def _context(cube: CubeFile) -> dict[str, Any]:
    stamp = wording.capital(cube.kind)

    def shown(panel: Panel) -> list[dict[str, Any]]:
        return [show_panel(panel, stamp)]

    statuses, reason_rows = data_tables.reasons(cube)
    sums = data_tables.sums(cube)
    compared = data_tables.comparisons(cube)
    several, renamed = data_tables.joined(cube)
    files, source_rows = data_tables.sources(cube)
    indicator_labels = data_tables.indicator_labels(cube)
    return {
        "cube": cube,
        "sections": SECTIONS,
        "summary": summary(cube),
        "facts": facts(cube),
        "groups": data_tables.group_rows(cube),
        "years": cube.years,
        "indicator_coverage": data_tables.coverage(cube, cube.rates, indicator_labels),
        "measure_coverage": data_tables.coverage(
            cube, data_tables.measure_series(cube), data_tables.measure_labels(cube)
        ),
        "measures": list(cube.measures.values()),
        "statuses": statuses,
        "reason_rows": reason_rows,
        "missing_returns": data_tables.missing_returns(cube),
        "status_figure": shown(status_panel(cube)),
        "hidden_rows": data_tables.hidden(cube),
        "width_rows": data_tables.widths(cube),
        "width_figure": shown(width_panel(cube)),
        "sum_rows": data_tables.sum_rows(cube, sums),
        "sum_figure": shown(sum_panel(cube, sums)),
        "comparisons": [comparison_row(item) for item in compared],
        "mismatches": [row for item in compared for row in item.worst],
        "printed_figure": shown(printed_panel(compared)),
        "regime_rows": regime_rows(cube),
        "national_figure": shown(national_panel(cube)),
        "findings": cube.findings,
        "finding_groups": data_tables.finding_groups(cube.findings or []),
        "findings_csv": download(cube.path.with_suffix(".findings.csv")),
        "findings_name": f"{cube.name}.findings.csv",
        "several": several,
        "renamed": renamed,
        "joint_returns": [
            finding
            for finding in cube.findings or []
            if finding.check == "joint returns" and finding.la
        ],
        "files": files,
        "source_rows": source_rows,
        "profile": script_data(data_tables.profile_data(cube)),
        "profile_figure": shown(profile_panel(cube)),
    }


# -- words ---------------------------------------------------------------------------------------


def years_text(years: list[int]) -> str:
    """``2010-2014``, gaps told apart."""
    spans = figures_data.spans(years)
    return ", ".join(f"{a}–{b}" if a < b else str(a) for a, b in spans) or "none"


def summary(cube: CubeFile) -> dict[str, str]:
    """The first thing to know: how much of what was collected is known, and what was found."""
    reasons: Counter[str] = Counter()
    number = bounds = 0
    for name in cube.measures:
        series = cube.measure(name)
        number += int(series.has_number.sum())
        bounds += int(series.has_bounds.sum())
        reasons.update(series.reason[series.is_missing])
    collected = number + bounds + sum(reasons.values()) - reasons["not collected"]
    share = [100 * n / max(collected, 1) for n in (number, bounds)]
    detail = (
        f"Of {wording.count(collected)} cells that were collected, {share[0]:.1f}% hold a number, "
        f"{share[1]:.1f}% are known within bounds only and {100 - sum(share):.1f}% are missing."
    )
    if cube.findings is None:
        said = (
            "Simulated figures are not checked against files."
            if cube.is_simulated
            else "No file of findings stands beside this cube: its checks are not assessed."
        )
        return {
            "headline": "Simulated" if cube.is_simulated else "Checks not assessed",
            "detail": f"{detail} {said}",
            "css": "plain" if cube.is_simulated else "fail",
        }
    levels = Counter(finding.level for finding in cube.findings)
    failed, warned = levels["FAIL"], levels["WARNING"]
    headline = (
        f"{wording.quantity(failed, 'check')} failed"
        if failed
        else f"No check failed; {wording.quantity(warned, 'warning')} to know of"
    )
    return {"headline": headline, "detail": detail, "css": "fail" if failed else "pass"}


def facts(cube: CubeFile) -> list[tuple[str, str]]:
    """What the file is, in pairs."""
    several, _ = data_tables.joined(cube)
    joined = f", {len(several)} of them joined" if several else ""
    rows = [
        ("Title", str(cube.attributes.get("title") or cube.name)),
        ("Kind", cube.kind),
        ("Years with authority figures, ending 31 March", years_text(cube.years)),
        ("Years with England totals, ending 31 March", years_text(cube.national_years)),
        ("Authorities", f"{len(cube.las)}{joined}"),
        ("Measures and indicators", f"{len(cube.measures)} and {len(cube.indicators)}"),
        ("Source and licence", str(cube.attributes.get("note") or "not given")),
        ("Cube hash (SHA-256)", str(cube.attributes.get("cube_hash") or "none")),
        ("Schema version", str(cube.attributes.get("schema_version") or "not given")),
        ("File", f"{cube.path.name}, {cube.path.stat().st_size / 1e6:.1f} MB"),
        ("To render this page again", f"make report CUBE={cube.name}"),
    ]
    return rows


def comparison_row(item: data_tables.Comparison) -> dict[str, str]:
    """One line of the table of printed rates."""
    apart = int(item.apart.sum())
    largest = np.abs(item.difference).max(initial=0)
    return {
        "label": item.label,
        "unit": item.unit,
        "printed": wording.count(item.printed),
        "compared": wording.count(item.compared),
        "agree": wording.count(item.compared - apart),
        "apart": wording.count(apart),
        "largest": wording.number(largest, places=2) if item.compared else "–",
    }


def regime_rows(cube: CubeFile) -> list[dict[str, str]]:
    """Every measure with more than one definition, or with one that does not fill all years."""
    return [
        {
            "label": measure.label,
            "name": regime.name,
            "first": str(regime.first or "from the beginning"),
            "last": str(regime.last or "to this day"),
        }
        for measure in cube.measures.values()
        for regime in measure.regimes
    ]


# -- panels --------------------------------------------------------------------------------------


def status_panel(cube: CubeFile) -> Panel:
    counts = np.array(
        [[(cube.measure(n).reason == s).sum() for s in cube.statuses] for n in cube.measures]
    )
    used = [i for i in range(len(cube.statuses)) if counts[:, i].any()]
    missing = sum(int(cube.measure(name).is_missing.sum()) for name in cube.measures)
    return Panel(
        "statuses",
        "Why each cell is known as it is",
        figures_data.plot_statuses(
            [cube.label(name) for name in cube.measures],
            [cube.statuses[i] for i in used],
            counts[:, used],
        ),
        alt="Stacked bars: share of the cells of each measure by status.",
        read="One bar a measure, all authorities and years together. Exact, rounded, derived and "
        "suppressed cells have bounds; the others hold nothing, for the reason named.",
        shows=f"{wording.quantity(missing, 'cell')} of {wording.count(counts.sum())} hold nothing.",
        numbers=_labelled(cube, list(cube.measures)).assign(
            **{status: counts[:, i] for i, status in enumerate(cube.statuses) if i in used}
        ),
    )


def _labelled(cube: CubeFile, measures: list[str]) -> pd.DataFrame:
    """Measures with their labels: the first columns of a figure's numbers."""
    labels = [cube.label(name) for name in measures]
    return pd.DataFrame({"measure": measures, "label": labels})


def width_panel(cube: CubeFile) -> Panel:
    key, title = "widths", "How wide the bounds of hidden counts are"
    rows, names = [], []
    for name in cube.measures:
        series = cube.measure(name)
        if series.has_bounds.any():
            rows.append((cube.label(name), (series.upper - series.lower)[series.has_bounds]))
            names.append(name)
    if not rows:
        return not_assessed(key, title, NO_BOUNDS)
    wide = np.concatenate([width for _, width in rows])
    return Panel(
        key,
        title,
        figures_data.plot_widths(rows),
        alt="Strips of points: distance between upper and lower bound, one strip a measure.",
        read="One point a hidden count, the line is the median. A count hidden as 1 to 5 is 4 wide;"
        " wider bounds arise where the publisher may have hidden a large count to protect another.",
        shows=f"{wording.quantity(int((wide <= 4).sum()), 'count')} of {wording.count(len(wide))} "
        f"have bounds no wider than 4; the widest is {data_tables.figures(float(wide.max()))}.",
        numbers=_counted(
            _labelled(cube, np.repeat(names, [len(width) for _, width in rows]).tolist()).assign(
                width=wide
            )
        ),
    )


def _counted(table: pd.DataFrame) -> pd.DataFrame:
    """Rows that are alike as one, with their number."""
    columns = list(table.columns)
    return table.groupby(columns, sort=False, dropna=False).size().rename("cells").reset_index()


def sum_panel(cube: CubeFile, sums: list[data_tables.Sum]) -> Panel:
    key, title = "sums", "Do authorities add up to England?"
    if not sums:
        return not_assessed(key, title, "no year has figures of authorities and of England")
    odd = [item for item in sums if item.is_odd]
    shows = (
        f"{len(odd)} of {wording.quantity(len(sums), 'sum')} "
        f"{'contradicts' if len(odd) == 1 else 'contradict'} England's total"
    )
    if odd:
        worst = max(odd, key=lambda item: abs(item.gap))
        shows += (
            f"; the largest gap is {data_tables.signed(worst.gap, 1)}% "
            f"({cube.label(worst.measure)}, {worst.year})"
        )
    return Panel(
        key,
        title,
        figures_data.plot_sums(cube, sums),
        alt="Points: sum of authorities less England's total by measure and year.",
        read="One mark a year, at 0 where the bounds of the two overlap; the grey line is all that "
        "hidden and rounded counts allow. A sum without every return falls short, for England's "
        "totals estimate the missing ones; a diamond is explained by none of this.",
        shows=f"{shows}.",
        numbers=_labelled(cube, [item.measure for item in sums]).assign(
            year=[item.year for item in sums],
            authorities_lower=[item.lower for item in sums],
            authorities_upper=[item.upper for item in sums],
            england_lower=[item.england_lower for item in sums],
            england_upper=[item.england_upper for item in sums],
            returns_missing=[item.without_return for item in sums],
            gap_percent=[item.gap for item in sums],
            verdict=[item.verdict for item in sums],
        ),
    )


def printed_panel(compared: list[data_tables.Comparison]) -> Panel:
    key, title = "printed", "Printed less rebuilt"
    usable = [item for item in compared if item.compared]
    if not usable:
        return not_assessed(key, title, "the cube holds no printed rate with known counts")
    total = sum(item.compared for item in usable)
    apart = sum(int(item.apart.sum()) for item in usable)
    return Panel(
        key,
        title,
        figures_data.plot_printed(usable),
        alt="Strips of points: printed rate less the rate rebuilt from counts, by indicator.",
        read="One point a printed figure, at 0 where the bounds of its counts allow it. Within the "
        "shaded band rounding explains the difference; diamonds lie outside it.",
        shows=f"{wording.count(total - apart)} of {wording.count(total)} printed figures agree with"
        f" the counts beside them; {wording.count(apart)} do not.",
        numbers=pd.concat(
            [
                _counted(
                    pd.DataFrame(
                        {
                            "label": item.label,
                            "unit": item.unit,
                            "half_unit": item.half_unit,
                            "half_units_apart": _coarse(item.difference / item.half_unit),
                            "contradicts": item.apart,
                        }
                    )
                )
                for item in usable
            ]
        ),
    )


def _coarse(values: np.ndarray) -> np.ndarray:
    """Rounded to a tenth, for nobody sees less in the figure."""
    return np.round(values, 1) + 0.0


def national_panel(cube: CubeFile) -> Panel:
    key, title = "national", "England, with definitions and years without authority figures"
    chosen = []
    for indicator in cube.indicators:
        series = cube.rate(indicator, "national")
        if series is not None and not series.is_missing.all():
            chosen.append(indicator)
    if not chosen:
        return not_assessed(key, title, "the cube holds no England totals with an indicator")
    drawn = [
        f"{indicator.label}, {regime.name} from {regime.first}"
        for indicator in chosen
        for regime in cube.breaks(indicator)
    ]
    return Panel(
        key,
        title,
        figures_data.plot_national(cube, chosen),
        alt="Small panels: England's rate of each indicator by year.",
        read="Dots are published totals as rates; a hollow dot on a bar is a rate known within "
        "bounds. Grey years "
        "have no authority figures. A dashed line marks where a definition begins.",
        shows=f"{wording.quantity(len(chosen), 'indicator')} with England totals; "
        f"{wording.quantity(len(drawn), 'change')} of definition within the years shown"
        + (f": {wording.listing(drawn, 4)}." if drawn else "."),
        numbers=pd.concat(
            [
                _of_indicator(indicator, cube.national_years, series)
                for indicator in chosen
                if (series := cube.rate(indicator, "national")) is not None
            ]
        ),
    )


def _of_indicator(indicator: Indicator, years: list[int], series: Series) -> pd.DataFrame:
    """A series as rows: its numbers or bounds, and the reason where there is neither."""
    return pd.DataFrame(
        {
            "indicator": indicator.name,
            "label": indicator.label,
            "unit": indicator.unit,
            "year": years,
            "value": series.value,
            "lower": series.lower,
            "upper": series.upper,
            "reason": np.where(series.is_missing, series.reason, ""),
        }
    )


def profile_rows(cube: CubeFile, la: int) -> pd.DataFrame:
    """What a profile draws: each indicator of the authority by year, and what lies beside it."""
    _, others = cube.peers[la]
    parts = []
    for indicator in cube.indicators:
        own = cube.rates[indicator.name].at(la)
        england = cube.rate(indicator, "national")
        known = (
            {} if england is None else dict(zip(cube.national_years, england.middle, strict=True))
        )
        beside = [cube.rates[indicator.name].at(other).middle for other in others]
        parts.append(
            _of_indicator(indicator, cube.years, own).assign(
                authority=cube.la_names[la],
                england=[known.get(year, np.nan) for year in cube.years],
                beside_median=pd.DataFrame(beside, columns=range(len(cube.years)))
                .median()
                .to_numpy(dtype=float),
            )
        )
    return pd.concat(parts)


def profile_panel(cube: CubeFile) -> Panel:
    key, title = "profile", "The fullest series, for printing"
    if not cube.rates or all(series.is_missing.all() for series in cube.rates.values()):
        return not_assessed(key, title, "the cube holds no indicators")
    la = data_tables.default_la(cube)
    label, others = cube.peers[la]
    beside = f" Faint lines: {wording.within_sentence(label)}." if others else ""
    return Panel(
        key,
        f"{cube.la_names[la]}: {wording.within_sentence(title)}",
        figures_data.plot_profile(cube, la),
        alt=f"Small panels: indicators of {cube.la_names[la]} by year, beside England.",
        read="Dots are numbers, hollow dots on bars are hidden counts with their bounds, a gap is "
        f"a year without a figure. The dashed line is England.{beside}",
        shows=f"{cube.la_names[la]} has a figure in more cells than any authority before it in the "
        "list. Other authorities are drawn above where the page's script runs.",
        numbers=profile_rows(cube, la),
    )
