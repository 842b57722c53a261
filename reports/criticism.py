"""Panels that criticise a run; each says "not assessed" where the run lacks what it needs."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from reports import figures_checks as plots
from reports.figures import Panel, Rows, ecdf_difference, not_assessed, simultaneous_band
from reports.figures_checks import Check, group_checks
from reports.run_folder import Run
from reports.wording import (
    count,
    listing,
    number,
    outside_sentence,
    quantity,
    share_outside,
    with_unit,
    within_sentence,
)

PREDICTIVE_INTERVAL = "90% equal-tailed, replicated data"
WORST = 6


@dataclass(frozen=True)
class WorstLa:
    """An LA by how far its cells lie from where leave-one-out predictions put them."""

    name: str
    region: str
    rms: str
    worst_cell: str


@dataclass(frozen=True)
class _Part:
    """Cells of one outcome: their rows in ``obs``, and what is added to keys and titles.

    Rates are ``per`` so many of what is counted, ``unit`` in words.
    """

    cells: pd.DataFrame
    rows: np.ndarray
    key: str
    title: str
    per: float
    unit: str


def _by_outcome(run: Run, cells: pd.DataFrame) -> list[_Part]:
    """Cells of each outcome apart, for rates of two outcomes do not add up."""
    labels = list(dict.fromkeys(cells["outcome"]))
    parts = []
    for number_of, label in enumerate(labels):
        rows = np.flatnonzero((cells["outcome"] == label).to_numpy())
        several = len(labels) > 1
        parts.append(
            _Part(
                cells.iloc[rows].reset_index(drop=True),
                rows,
                f"_{number_of}" if several else "",
                f": {label}" if several else "",
                *run.scale_of(label),
            )
        )
    return parts


def predictive_panels(run: Run) -> list[Panel]:
    """Replicated against observed data, by year and by region, each outcome apart."""
    cells, replicated = run.cells, run.draws("posterior_predictive")
    if cells is None or replicated is None:
        reason = "the run holds no posterior predictive draws"
        return [not_assessed(key, title, reason) for key, title in _PREDICTIVE.items()]
    return [
        panel
        for part in _by_outcome(run, cells)
        for panel in _predictive_panels(run, part, replicated[:, part.rows])
    ]


_PREDICTIVE = {
    "ppc_year": "Replicated and observed data by year",
    "ppc_region": "Replicated and observed data by region",
}


def _predictive_panels(run: Run, part: _Part, replicated: np.ndarray) -> list[Panel]:
    cells = part.cells
    titles = {key: f"{title}{part.title}" for key, title in _PREDICTIVE.items()}
    by_year = group_checks(cells, replicated, "year", part.per, part.unit, values=run.has_values)
    misfits = [sentence for check in by_year if (sentence := _misfit(check))]
    outside, total = (sum(pair) for pair in zip(*map(_outside, by_year), strict=True))
    shows = outside_sentence(outside, total, "observed statistics")
    shows = " ".join([shows, *misfits])
    panels = [
        Panel(
            f"ppc_year{part.key}",
            titles["ppc_year"],
            plots.plot_predictive_by_year(by_year, from_zero=not run.has_values),
            alt="Rate, spread, share of zeros and maximum by year: observed points over replicated "
            "bands.",
            read="Data were drawn anew from the fitted model. Points outside the bands are "
            "features of the data that the model does not reproduce; orange bars span "
            "interval-valued counts.",
            shows=shows,
            interval=PREDICTIVE_INTERVAL,
            numbers=_check_rows(by_year, "year"),
        )
    ]
    by_region = group_checks(
        cells, replicated, "region", part.per, part.unit, values=run.has_values
    )[0]
    outside, total = _outside(by_region)
    panels.append(
        Panel(
            f"ppc_region{part.key}",
            titles["ppc_region"],
            plots.plot_predictive_by_region(by_region),
            alt="Rate of each region, observed points over replicated intervals.",
            read="As above, all years of a region together.",
            shows=" ".join(
                [outside_sentence(outside, total, "regions"), _misfit(by_region)]
            ).strip(),
            interval=PREDICTIVE_INTERVAL,
            numbers=_check_rows([by_region], "region"),
        )
    )
    return panels


def _check_rows(checks: Sequence[Check], by: str) -> pd.DataFrame:
    """What the figures of replicated data draw, one row for each statistic and group."""
    rows = [
        pd.DataFrame(
            {
                "statistic": check.label,
                "unit": check.unit,
                by: check.groups,
                "observed": check.observed,
                "observed_least": check.least,
                "observed_most": check.most,
                "replicated_lower": check.lower,
                "replicated_median": check.median,
                "replicated_upper": check.upper,
            }
        )
        for check in checks
    ]
    return pd.concat(rows)


def _outside(check: Check) -> tuple[int, int]:
    return share_outside(check.observed, check.lower, check.upper)


def _misfit(check: Check) -> str:
    """Name where the observed statistic is outside, high and low apart."""
    groups = np.array([str(group) for group in check.groups], dtype=object)
    high = list(groups[check.observed > check.upper])
    low = list(groups[check.observed < check.lower])
    parts = [
        f"{word} in {listing(names)}"
        for word, names in (("higher than replicated", high), ("lower than replicated", low))
        if names
    ]
    return f"{check.label}: {'; '.join(parts)}." if parts else ""


def prior_predictive_panels(run: Run) -> list[Panel]:
    """What the prior expects before it sees outcomes, each outcome apart."""
    key, title = "prior_predictive", "What the prior expects"
    cells, prior = run.cells, run.draws("prior_predictive")
    if cells is None or prior is None:
        reason = "the run holds no prior predictive draws"
        if prior is None and run.variable("prior", "intercept") is not None:
            reason = (
                "the prior lets counts through that are too large or too small to draw: see what "
                "each prior allows in the table above"
            )
        return [not_assessed(key, title, reason)]
    return [
        _prior_predictive_panel(run, f"{key}{part.key}", f"{title}{part.title}", part, prior)
        for part in _by_outcome(run, cells)
    ]


def _prior_predictive_panel(
    run: Run, key: str, title: str, part: _Part, prior: np.ndarray
) -> Panel:
    cells, prior = part.cells, prior[:, part.rows]
    rate = group_checks(cells, prior, "year", part.per, part.unit, values=run.has_values)[0]
    scale = part.per / cells["exposure"].to_numpy()
    observed_cells = cells["y"].to_numpy()[None]
    if run.has_values:
        ratio, observed = _range(prior), float(_range(observed_cells)[0])
    else:
        # Half a count keeps a ratio of zeros finite.
        ratio = _ratio((prior + 0.5) * scale)
        observed = float(_ratio((observed_cells + 0.5) * scale)[0])
    inside = ((rate.observed >= rate.lower) & (rate.observed <= rate.upper)).sum()
    low, high = rate.lower.min(), rate.upper.max()
    shows = (
        f"Before the data the prior lets the {'mean' if run.has_values else 'rate'} lie between "
        f"{number(low)} and {with_unit(number(high), part.unit)}; {count(inside)} of "
        f"{count(len(rate.groups))} observed years lie inside. The observed "
        f"{'distance' if run.has_values else 'ratio'} between cells, "
        f"{number(observed)}, exceeds {count(100 * (ratio < observed).mean())}% of prior draws."
    )
    return Panel(
        key,
        title,
        plots.plot_prior_predictive(rate, ratio, observed, values=run.has_values),
        alt="Prior predictive rate by year with observed points, and prior predictive spread.",
        read=f"Bands are {'means' if run.has_values else 'rates'} that the prior alone would "
        f"produce{'' if run.has_values else ', on a log scale'}; points and the orange line are "
        "observed. A sound prior covers the data without covering everything.",
        shows=shows,
        interval="90% and 50% equal-tailed, prior predictive",
        numbers=_prior_rows(rate, ratio, observed, "difference" if run.has_values else "ratio"),
    )


def _prior_rows(rate: Check, ratio: np.ndarray, observed: float, spread: str) -> pd.DataFrame:
    """What the prior expects of each year, and of the spread between cells."""
    drawn = [
        (rate.label, rate.unit, *pair) for pair in zip(rate.groups, rate.observed, strict=True)
    ]
    rows = pd.DataFrame(
        [*drawn, (f"{spread} of the 90th and 10th percentile of cells", "", "", observed)],
        columns=["statistic", "unit", "year", "observed"],
    )
    for name, p in (("05", 0.05), ("25", 0.25), ("50", 0.5), ("75", 0.75), ("95", 0.95)):
        rows[f"prior_{name}"] = [*np.quantile(rate.replicated, p, axis=0), np.quantile(ratio, p)]
    return rows


def _range(values: np.ndarray) -> np.ndarray:
    low, high = np.quantile(values, [0.1, 0.9], axis=1)
    return np.asarray(high - low)


def _ratio(rates: np.ndarray) -> np.ndarray:
    low, high = np.quantile(rates, [0.1, 0.9], axis=1)
    return np.asarray(high / np.maximum(low, 1e-9))


def loo_panels(run: Run) -> list[Panel]:
    """LOO-PIT and Pareto k."""
    cells, pit = run.cells, run.variable("criticism", "loo_pit")
    k = run.variable("criticism", "pareto_k")
    good = float(getattr(run.group("criticism"), "good_k", 0.7))
    reason = "the run holds no leave-one-out criticism"
    of_cells = None if cells is None else _rows_of_cells(run, cells)
    panels = []
    title = "Calibration cell by cell: LOO-PIT"
    if pit is None:
        panels.append(not_assessed("loo_pit", title, reason))
    else:
        panels.append(
            Panel(
                "loo_pit",
                title,
                plots.plot_loo_pit(pit),
                alt="Histogram of LOO-PIT values and their ECDF minus the diagonal with a band.",
                read="Each cell's place within its prediction from all other cells. Flat is "
                "calibrated; a hump means predictions too wide, a bowl too narrow, a tilt biased. "
                "Counts known as intervals are placed at random within them.",
                shows=_pit_sentence(pit, 0 if k is None else int((k > good).sum())),
                interval="90% simultaneous band",
                rows=of_cells,
            )
        )
    title = "Reliability of leave-one-out: Pareto k"
    if k is None or cells is None:
        panels.append(not_assessed("pareto_k", title, reason))
        return panels
    # The largest is named in any case, others where they exceed the limit.
    named = [int(i) for i in np.argsort(-k)[:3] if k[i] > good or k[i] == k.max()]
    panels.append(
        Panel(
            "pareto_k",
            title,
            plots.plot_pareto_k(cells, k, good, named),
            alt="Pareto k of every cell by year, with the limit as a dashed line.",
            read="Each point is one cell; within a year LAs are spread sideways. Leave-one-out is "
            "got from this one fit by weighting its draws anew (PSIS). Above the dashed line a "
            "cell sways the fit by more than weights can undo: there the approximation ends. The "
            "fit and its estimands do not use it.",
            shows=_k_sentence(cells, k, good),
            rows=of_cells,
        )
    )
    return panels


def loo_facts(run: Run) -> list[tuple[str, str]]:
    """Totals of leave-one-out, where the run has them."""
    group = run.group("criticism")
    if group is None or "elpd_loo" not in group.ncattrs():
        return []
    elpd, error = group.elpd_loo, group.elpd_se
    return [
        ("elpd (leave-one-out)", f"{number(elpd, places=0)} (standard error {count(error)})"),
        ("Effective parameters (p_loo)", count(group.p_loo)),
    ]


def _pit_sentence(pit: np.ndarray, unreliable: int) -> str:
    caveat = (
        f" For {quantity(unreliable, 'cell')} leave-one-out is approximate (Pareto k, below)."
        if unreliable
        else ""
    )
    place, lower, upper = simultaneous_band(len(pit))
    difference = ecdf_difference(pit, place)
    outside = (difference < lower) | (difference > upper)
    if not outside.any():
        return f"The ECDF of {quantity(len(pit), 'cell')} stays inside the band throughout.{caveat}"
    spread = pit.std() * np.sqrt(12)
    if spread < 0.95:
        shape = "predictions are too wide"
    elif spread > 1.05:
        shape = "predictions are too narrow"
    else:
        shape = "predictions tend low" if pit.mean() > 0.5 else "predictions tend high"
    return (
        f"The ECDF leaves the band at {count(100 * outside.mean())}% of places: {shape} "
        f"(spread {number(spread, places=2)} of a uniform's, mean {number(pit.mean(), places=2)})."
        f"{caveat}"
    )


def _k_sentence(cells: pd.DataFrame, k: np.ndarray, good: float) -> str:
    bad = np.flatnonzero(k > good)
    worst = int(np.argmax(k))
    where = f"{cells['name'].iloc[worst]} {cells['year'].iloc[worst]}"
    if outcome := cells["outcome"].iloc[worst]:
        where += f" ({within_sentence(outcome)})"
    text = (
        f"{count(len(bad))} of {quantity(len(k), 'cell')} "
        f"{'exceeds' if len(bad) == 1 else 'exceed'} {number(good, places=2)}; the "
        f"largest is {number(k[worst], places=2)}, {where}."
    )
    if len(bad):
        by_la = cells["name"].iloc[bad].value_counts()
        named = [f"{name} ({n})" for name, n in by_la.items()]
        text += (
            f" By LA: {listing(named)}. Of these cells leave-one-out, LOO-PIT and residual are "
            "approximate; a claim about prediction needs a fit without them (make compare with "
            "UNIT=). Nothing else is touched."
        )
    return text


_RESIDUAL = {
    "region_residuals": "Residuals by region and year",
    "residual_map": "Residuals by LA and year",
    "worst_las": "Worst-fitting local authorities",
}


def residual_panels(run: Run) -> list[Panel]:
    """Residuals by region and year and by LA and year, worst-fitting LAs; each outcome apart."""
    cells, residual = run.cells, run.variable("criticism", "residual")
    if cells is None or residual is None:
        reason = "the run holds no leave-one-out residuals"
        return [not_assessed(key, title, reason) for key, title in _RESIDUAL.items()]
    replicated = run.draws("posterior_predictive")
    return [
        panel
        for part in _by_outcome(run, cells)
        for panel in _residual_panels(
            run,
            part,
            residual[part.rows],
            None if replicated is None else replicated[:, part.rows],
        )
    ]


def _residual_panels(
    run: Run, part: _Part, residual: np.ndarray, replicated: np.ndarray | None
) -> list[Panel]:
    cells = part.cells
    titles = {key: f"{title}{part.title}" for key, title in _RESIDUAL.items()}
    table = cells.assign(residual=residual)
    # The mean of n standard normals times sqrt(n) is standard normal again.
    by = table.groupby(["region", "year"])["residual"]
    z: pd.DataFrame = (by.sum() / np.sqrt(by.size())).unstack("year")
    large = int((z.abs() >= 2).to_numpy().sum())
    region, year = z.abs().stack().idxmax()
    value = float(z.loc[region, year])
    known = int(z.notna().to_numpy().sum())
    panels = [
        Panel(
            f"region_residuals{part.key}",
            titles["region_residuals"],
            plots.plot_region_residuals(z),
            alt="Heat map of mean residuals by region and year.",
            read="Orange: the region's counts lie above prediction in that year; blue: below. "
            "Rows or columns of one colour mean movement that regions or years share and the "
            "model leaves out.",
            shows=f"{count(large)} of {quantity(known, 'region-year')} reach 2 standard errors, "
            f"where about {count(0.0455 * known)} would by chance; the largest is {region} {year} "
            f"at {number(value, places=1)}.",
            numbers=z.stack().rename("residual_in_standard_errors").reset_index(),
        )
    ]
    big = int((np.abs(residual) > 3).sum())
    extreme = int(np.argmax(np.abs(residual)))
    panels.append(
        Panel(
            f"residual_map{part.key}",
            titles["residual_map"],
            plots.plot_residual_map(cells, residual),
            alt="Heat map of residuals, one row per LA grouped by region, one column per year.",
            read="Each small square is one cell's randomised quantile residual: noise without "
            "pattern is good; a row that turns from blue to orange is an LA that moves in a way "
            "the model does not follow.",
            shows=f"SD of residuals {number(residual.std(), places=2)} (1 expected); "
            f"{count(big)} of {quantity(len(residual), 'cell')} lie beyond 3, where about "
            f"{count(0.0027 * len(residual))} would by chance. Most extreme: "
            f"{cells['name'].iloc[extreme]} {cells['year'].iloc[extreme]} at "
            f"{number(residual[extreme], places=1)}.",
            rows=_rows_of_cells(run, cells),
        )
    )
    if replicated is None:
        reason = "the run holds no posterior predictive draws"
        return [*panels, not_assessed(f"worst_las{part.key}", titles["worst_las"], reason)]
    order = _rms(table).index[:WORST].tolist()
    names = [run.la_name(code) for code in order]
    panels.append(
        Panel(
            f"worst_las{part.key}",
            titles["worst_las"],
            plots.plot_worst_las(cells, replicated, order, part.per, part.unit),
            alt=f"Observed rates of {listing(names, WORST)} over replicated intervals.",
            read="The LAs whose residuals are largest on the whole. Points are observed, bands "
            "what the model replicates.",
            shows=f"Largest root mean square residual: {listing(names, 3)}. Some LA is always "
            "worst: see the table for how far from 1 they are.",
            interval=PREDICTIVE_INTERVAL,
            numbers=_worst_rows(part, replicated, order),
        )
    )
    return panels


def _worst_rows(part: _Part, replicated: np.ndarray, las: list[str]) -> pd.DataFrame:
    """Observed and replicated rates of these LAs by year."""
    cells = part.cells
    scale = part.per / cells["exposure"].to_numpy()
    lower, upper = np.quantile(replicated * scale, plots.TAILS, axis=0)
    rates = {
        "observed": cells["y"] * scale,
        "observed_least": cells["lower"] * scale,
        "observed_most": cells["upper"] * scale,
        "replicated_lower": lower,
        "replicated_upper": upper,
    }
    rows = cells[["la", "name", "year"]].assign(unit=part.unit, **rates)
    return pd.concat([rows[rows["la"] == la].sort_values("year") for la in las])


def cell_rows(run: Run) -> pd.DataFrame | None:
    """Every cell: its bounds, and where criticism puts it; None where there was none."""
    cells = run.cells
    if cells is None or run.group("criticism") is None:
        return None
    labels = list(dict.fromkeys(cells["outcome"]))
    names = dict(zip(labels, _names_of_cells(run, cells["outcome"]), strict=True))
    table = cells[["la", "year", "lower", "upper", "exposure"]]
    table.insert(0, "outcome", cells["outcome"].map(names))
    found = {name: run.variable("criticism", name) for name in ("residual", "loo_pit", "pareto_k")}
    # The file is the longest of the page, and nobody reads a fourth decimal of these.
    known = {name: np.round(values, 3) for name, values in found.items() if values is not None}
    return table.assign(**known)


def _rows_of_cells(run: Run, cells: pd.DataFrame) -> Rows:
    """Where the numbers of these cells stand: in the file of cells, by outcome."""
    return ("cells", "outcome", _names_of_cells(run, cells["outcome"]))


def _names_of_cells(run: Run, labels: pd.Series) -> tuple[str, ...]:
    """Names of the outcomes with these labels, as the file of cells has them."""
    names = {str(row["label"]): str(row["name"]) for row in run.spec.get("outcomes", [])}
    return tuple(names.get(label, "") for label in dict.fromkeys(labels))


def _rms(table: pd.DataFrame) -> pd.Series:
    square = table.assign(square=table["residual"] ** 2).groupby("la")["square"].mean()
    return np.sqrt(square).sort_values(ascending=False, kind="stable")


def worst_las(run: Run, limit: int = 10) -> list[WorstLa]:
    """The LAs whose residuals are largest in root mean square."""
    cells, residual = run.cells, run.variable("criticism", "residual")
    if cells is None or residual is None:
        return []
    table = cells.assign(residual=residual)
    rows = []
    for code, rms in _rms(table).head(limit).items():
        mine = table[table["la"] == code]
        worst = mine.iloc[int(mine["residual"].abs().argmax())]
        rows.append(
            WorstLa(
                run.la_name(str(code)),
                run.la_region(str(code)),
                number(rms, places=2),
                f"{worst['outcome']} {worst['year']} "
                f"({number(worst['residual'], places=1)})".lstrip(),
            )
        )
    return rows
