"""What `aftermath` answers with: changes, paths before, breakdown points and implied cases.

The same code serves draws and truth. Paths before a judgement are contrasts between LA-years, each
LA-year once with the sum of its weights over stacks, so that no figure counts twice.
"""

import math
from collections.abc import Mapping
from typing import Any, cast

import numpy as np
import pandas as pd
import xarray as xr

from models.aftermath_data import (
    CLASS_LABELS,
    FIRST_EVENT,
    LAST_EVENT,
    WHOLES,
    AftermathObservations,
    event_cells,
    outcome_label,
)
from models.chance import generator_for
from models.spec import Answer, Estimand, NotEstimable
from models.wording import number, stated

# The year that answers: the first that is wholly after publication.
MAIN_EVENT = 1
# Years whose implied cases are counted.
EXCESS_EVENTS = (0, 1, 2)
# Violations of up to this many times the largest step before are tried.
LARGEST_BREAKDOWN = 20.0
_TAIL = 0.05
_CHANCE_SEED = 20140331


def reported_events(observations: AftermathObservations) -> list[int]:
    """Event times at which at least one judged authority has a figure."""
    cells = event_cells(observations)
    return sorted({int(k) for k in cells.loc[cells["judged"] > 0, "event_time"]})


# ------------------------------------------------------------------------------ declarations


def declare(outcome: str, judgement: str, years_early: int) -> tuple[Estimand, ...]:
    """Every quantity, whether or not the data can give it."""
    is_share = outcome in WHOLES
    what, after = outcome_label(outcome), CLASS_LABELS[judgement]
    pretended = f", pretended {years_early} years early," if years_early else ""
    unit = "percentage points" if is_share else "per cent"
    path = "per cent of the odds" if is_share else "per cent"
    here = "expected rate, these judged authorities"
    drawn = "expected rate, authorities such as these"
    found = [
        Estimand(
            "main_change",
            f"Change in the first full year after {after}",
            unit,
            f"mean over judged authorities of the change of {what} in year +1 after {after}"
            f"{pretended} was published, beyond the nation, their own level and what carries over",
            here,
            headline=True,
        ),
        Estimand(
            "p_rise",
            "Probability of a rise in the first full year",
            "probability",
            "share of draws in which the change of year +1 is above zero",
            here,
            headline=True,
        ),
        Estimand(
            "change",
            f"Change by year after {after}",
            unit,
            "as the change of year +1, for each year since publication; year 0 is partly exposed",
            here,
            ("event_time",),
            headline=True,
        ),
        Estimand(
            "pre_trend",
            "Trend before the judgement",
            f"{path} a year",
            "movement of judged against comparison authorities from year −3 to −1, a year, with "
            "the chance that departures carry",
            drawn,
            headline=True,
        ),
        Estimand(
            "placebo_change",
            "Change at a pretended date",
            path,
            "movement of judged against comparison authorities into years -2 and -1 from the year "
            "before, as if the judgement had come then; nothing should be found",
            drawn,
            ("event_time",),
            headline=True,
        ),
        Estimand(
            "breakdown_ratio",
            "Breakdown point, times the largest step before",
            "times",
            "smallest M at which paths that part after the judgement by up to M times the largest "
            "step between years before it would bring the interval of year +1 to zero; 0 where it "
            "holds zero anyway",
            drawn,
            headline=True,
        ),
        Estimand(
            "breakdown_trend",
            "Breakdown point, as a drift",
            f"{path} a year",
            "smallest steady drift of judged against comparison authorities, from year −1 on, that "
            "would bring the interval of year +1 to zero; 0 where it holds zero anyway",
            drawn,
            headline=True,
        ),
        Estimand(
            "event_path",
            "Judged against comparison authorities, from the year before",
            path,
            "mean over stacks, by judged authorities, of the difference between judged and "
            "comparison authorities less that of year −1; contrasts of figures, without the "
            "model's account of what carries over",
            drawn,
            ("event_time",),
        ),
        Estimand(
            "level_before",
            "Level of judged against comparison authorities before",
            path,
            "mean difference over years −3 to −1, by judged authorities, with the chance that "
            "departures carry",
            drawn,
        ),
        Estimand(
            "cohort_change",
            "Change by cohort and year",
            path,
            "the effect of one cohort in one year, drawn towards the mean of cohorts",
            here,
            ("cohort", "event_time"),
        ),
        Estimand(
            "judged_n",
            "Judged authorities with a figure",
            "authorities",
            "number behind each cohort and year",
            "data",
            ("cohort", "event_time"),
        ),
        Estimand(
            "comparison_n",
            "Comparison authorities with a figure",
            "authorities",
            "number behind each cohort and year",
            "data",
            ("cohort", "event_time"),
        ),
    ]
    if not is_share:
        found += [
            Estimand(
                "excess_total",
                "Cases implied by the change",
                "cases",
                "expected cases of judged authorities in years 0 to +2 less what they would have "
                "been without the effect; descriptive, as the effect is",
                here,
                headline=True,
            ),
            Estimand(
                "excess_by_year",
                "Cases implied by the change, by year",
                "cases",
                "the same for each financial year",
                here,
                ("year",),
            ),
            Estimand(
                "excess_share_of_rise",
                "Implied cases as a part of the national rise",
                "per cent",
                "implied cases over all cases above the first year's national rate, all "
                "authorities and years together",
                here,
            ),
        ]
    return tuple(found)


# --------------------------------------------------------------------------------- contrasts


def contrast_weights(observations: AftermathObservations) -> dict[int | str, np.ndarray]:
    """Weights (obs,) of every contrast between LA-years that the data allow.

    The keys are event times, for the difference of judged and comparison LAs less that of year -1,
    and ``level`` for their difference over the years before. Stacks are weighted by the number of
    judged LAs that have both figures; comparison LAs in the years after a judgement of their own
    are left out. An LA-year that serves several stacks has the sum of its weights.
    """
    members = observations.members
    after = members["judged"] & (members["event_time"] >= 0)
    spoiled = set(members.loc[after, "cell"])
    usable = members[members["judged"] | ~members["cell"].isin(spoiled)]
    place = {
        (cohort, judged): group.pivot(index="la", columns="event_time", values="cell")
        for (cohort, judged), group in usable.groupby(["cohort", "judged"])
    }
    size = len(observations.cells)
    found: dict[int | str, np.ndarray] = {}
    for k in [k for k in range(FIRST_EVENT, LAST_EVENT + 1) if k != -1]:
        parts = []
        for stack in observations.stacks:
            tables = [place.get((stack.cohort, judged)) for judged in (True, False)]
            if any(table is None or not {k, -1} <= set(table.columns) for table in tables):
                continue
            pairs = [cast(pd.DataFrame, table)[[k, -1]].dropna().astype(int) for table in tables]
            if all(map(len, pairs)):
                parts.append(pairs)
        weight = _summed(parts, size, start=-1, to=k)
        if weight is not None:
            found[k] = weight
    parts = []
    for stack in observations.stacks:
        tables = [place.get((stack.cohort, judged)) for judged in (True, False)]
        before = [
            table.reindex(columns=range(FIRST_EVENT, 0)).dropna(how="all")
            for table in tables
            if table is not None
        ]
        if len(before) == 2 and all(map(len, before)):
            parts.append(before)
    if parts:
        level = np.zeros(size)
        judged = sum(len(pairs[0]) for pairs in parts)
        for pairs in parts:
            for table, sign in zip(pairs, (1, -1), strict=True):
                each = sign * len(pairs[0]) / judged / len(table)
                for row in table.to_numpy():
                    cells = row[~np.isnan(row)].astype(int)
                    level[cells] += each / len(cells)
        found["level"] = level
    return found


def _summed(
    parts: list[list[pd.DataFrame]], size: int, *, start: int, to: int
) -> np.ndarray | None:
    if not parts:
        return None
    weight = np.zeros(size)
    judged = sum(len(pairs[0]) for pairs in parts)
    for pairs in parts:
        for table, sign in zip(pairs, (1, -1), strict=True):
            each = sign * len(pairs[0]) / judged / len(table)
            np.add.at(weight, table[to].to_numpy(), each)
            np.add.at(weight, table[start].to_numpy(), -each)
    return weight


def lag_products(weights: np.ndarray, observations: AftermathObservations) -> np.ndarray:
    """Sums (lag, contrast, contrast) of products of ``weights`` (contrast, obs) within LAs.

    The covariance of the contrasts of an AR(1) with sd s and persistence r is
    ``s**2 sum over lags of r**lag lag_products``.
    """
    cells = observations.cells
    years = cells["year"].to_numpy()
    found = np.zeros((int(np.ptp(years)) + 1, len(weights), len(weights)))
    for _, rows in cells.groupby("la").groups.items():
        at = np.asarray(rows)
        lag = np.abs(years[at][:, None] - years[at][None, :])
        own = weights[:, at]
        for size in np.unique(lag):
            found[size] += own @ (lag == size).astype(float) @ own.T
    return found


def _with_chance(
    values: xr.DataArray,
    weights: np.ndarray,
    chance: tuple[xr.DataArray, xr.DataArray],
    observations: AftermathObservations,
) -> xr.DataArray:
    """Contrasts (chain, draw, contrast) with the chance that departures of single years carry.

    What a term for each contrast, were it in the model with a flat prior, would be found to be: the
    contrast of latent values, give or take what an AR(1) of this size makes of such a contrast.
    """
    persistence = chance[1]
    sd = chance[0] / (1 - persistence**2) ** 0.5
    products = lag_products(weights, observations)
    powers = persistence.to_numpy()[..., None] ** np.arange(len(products))
    covariance = sd.to_numpy()[..., None, None] ** 2 * np.einsum(
        "...l,lij->...ij", powers, products
    )
    ridge = 1e-12 * np.eye(len(weights))
    factor = np.linalg.cholesky(covariance + ridge)
    score = generator_for(values, _CHANCE_SEED).standard_normal(values.shape)
    noise = np.einsum("...ij,...j->...i", factor, score)
    return values + noise


# ----------------------------------------------------------------------------------- answers


def answers(
    *,
    effect: xr.DataArray,
    expected: xr.DataArray,
    years: xr.DataArray,
    la_year: xr.DataArray,
    chance: tuple[xr.DataArray, xr.DataArray] | None,
    cells: pd.DataFrame,
    observations: AftermathObservations,
) -> Answer:
    """Estimands from effects (effect_cell), levels (la), years and latent values (obs).

    Drawn or true; ``chance`` is yearly sd and persistence, None for a truth that holds none.
    """
    values: dict[str, xr.DataArray] = {}
    absent: list[NotEstimable] = []
    events = sorted({int(k) for k in cells["event_time"] if k >= 0})
    log_change = {k: _mean_of(effect, cells, k) for k in events}
    by_event = [
        _in_points(effect, expected, years, cells, k, observations)
        if observations.is_share
        else _percent(log_change[k])
        for k in events
    ]
    values["change"] = xr.concat(by_event, "event_time").assign_coords(event_time=events)
    kept = np.flatnonzero(cells["event_time"] >= 0)
    values["cohort_change"] = (
        _percent(effect.isel(effect_cell=kept))
        .drop_vars("effect_cell", errors="ignore")
        .rename(effect_cell="cell")
        .assign_coords(
            cohort=("cell", cells["cohort"].to_numpy()[kept]),
            event_time=("cell", cells["event_time"].to_numpy()[kept]),
        )
    )
    _count_cells(values, absent, observations)
    _paths(values, absent, la_year, chance, observations)
    if MAIN_EVENT in events:
        values["main_change"] = values["change"].sel(event_time=MAIN_EVENT, drop=True)
        values["p_rise"] = (log_change[MAIN_EVENT] > 0).mean(_sampled(effect))
        _breakdown(values, absent, log_change[MAIN_EVENT])
    else:
        reason = f"no judged authority has a figure in year {MAIN_EVENT:+d}"
        names = ("main_change", "p_rise", "breakdown_ratio", "breakdown_trend")
        absent += [NotEstimable(name, reason) for name in names]
    if not observations.is_share:
        _excess(values, absent, effect, la_year, cells, observations)
    return Answer(values, absent)


def _percent(log_change: xr.DataArray) -> xr.DataArray:
    return cast(xr.DataArray, 100 * (np.exp(log_change) - 1))


def _share(log_odds: xr.DataArray) -> xr.DataArray:
    return cast(xr.DataArray, 1 / (1 + np.exp(-log_odds)))


def _sampled(values: xr.DataArray) -> list[str]:
    return [dim for dim in ("chain", "draw") if dim in values.dims]


def _mean_of(effect: xr.DataArray, cells: pd.DataFrame, k: int) -> xr.DataArray:
    """Effect in year ``k``, averaged over judged authorities."""
    at = np.flatnonzero(cells["event_time"] == k)
    weight = cells["judged"].to_numpy(float)[at]
    weights = xr.DataArray(weight / weight.sum(), dims="effect_cell")
    return (effect.isel(effect_cell=at).drop_vars("effect_cell", errors="ignore") * weights).sum(
        "effect_cell"
    )


def _judged_rows(
    observations: AftermathObservations, cells: pd.DataFrame, events: tuple[int, ...]
) -> pd.DataFrame:
    """A row per judged authority and year of ``events``, with the position of its effect."""
    members = observations.members
    rows = members[members["judged"] & members["event_time"].isin(events)]
    place = pd.MultiIndex.from_frame(cells[["cohort", "event_time"]])
    return rows.assign(
        effect=place.get_indexer(pd.MultiIndex.from_frame(rows[["cohort", "event_time"]]))
    )


def _in_points(
    effect: xr.DataArray,
    expected: xr.DataArray,
    years: xr.DataArray,
    cells: pd.DataFrame,
    k: int,
    observations: AftermathObservations,
) -> xr.DataArray:
    """Change of the share in year ``k``, percentage points, averaged over judged authorities."""
    rows = _judged_rows(observations, cells, (k,))
    la = xr.DataArray(observations.las.index.get_indexer(pd.Index(rows["la"])), dims="row")
    year = xr.DataArray(
        pd.Index(observations.la_years).get_indexer(pd.Index(rows["year"])), dims="row"
    )
    place = xr.DataArray(rows["effect"].to_numpy(), dims="row")
    without = expected.drop_vars("la", errors="ignore").isel(la=la) + years.drop_vars(
        "year", errors="ignore"
    ).isel(year=year)
    own = effect.drop_vars("effect_cell", errors="ignore").isel(effect_cell=place)
    return 100 * (_share(without + own) - _share(without)).mean("row")


def _count_cells(
    values: dict[str, xr.DataArray],
    absent: list[NotEstimable],
    observations: AftermathObservations,
) -> None:
    counted = event_cells(observations)
    coords = {name: ("cell", counted[name].to_numpy()) for name in ("cohort", "event_time")}
    for name in ("judged", "comparison"):
        numbers = xr.DataArray(counted[name].to_numpy(float), dims="cell", coords=coords)
        values[f"{name}_n"] = numbers
    empty = counted[(counted["judged"] == 0) & (counted["event_time"] >= 0)]
    if len(empty):
        listed = ", ".join(f"{row.cohort} {row.event_time:+d}" for row in empty.itertuples())
        absent.append(
            NotEstimable("cohort_change", f"no judged authority has a figure in {listed}")
        )


def _paths(
    values: dict[str, xr.DataArray],
    absent: list[NotEstimable],
    la_year: xr.DataArray,
    chance: tuple[xr.DataArray, xr.DataArray] | None,
    observations: AftermathObservations,
) -> None:
    """Contrasts between judged and comparison authorities: path, trend, pretended dates, level."""
    weights = contrast_weights(observations)
    events = [int(k) for k in weights if k != "level"]
    if weights:
        stacked = np.stack(list(weights.values()))
        latent = la_year.drop_vars("obs", errors="ignore")
        found = latent.dot(xr.DataArray(stacked, dims=("contrast", "obs")), dim="obs")
        found = found.transpose(*_sampled(found), "contrast")
        if chance is not None:
            found = _with_chance(found, stacked, chance, observations)
        found = found.assign_coords(contrast=[str(key) for key in weights])
        moves = {k: found.sel(contrast=str(k), drop=True) for k in events}
    if "level" in weights:
        values["level_before"] = _percent(found.sel(contrast="level", drop=True))
    else:
        absent.append(NotEstimable("level_before", "no stack has figures before on both sides"))
    if events:
        path = xr.concat(list(moves.values()), "event_time").assign_coords(event_time=events)
        values["event_path"] = _percent(path)
    else:
        reason = "no stack has figures of year −1 and another year on both sides"
        absent.append(NotEstimable("event_path", reason))
    steps = {}
    if -2 in events:
        steps[-1] = -moves[-2]
    if {-3, -2} <= set(events):
        steps[-2] = moves[-2] - moves[-3]
    if steps:
        joined = xr.concat(list(steps.values()), "event_time")
        values["placebo_change"] = _percent(joined).assign_coords(event_time=list(steps))
    else:
        reason = "no stack has figures of years -2 and -1 on both sides"
        absent.append(NotEstimable("placebo_change", reason))
    if -3 in events:
        values["pre_trend"] = _percent(-moves[-3] / 2)
    else:
        reason = "no stack has figures of years -3 and -1 on both sides"
        absent.append(NotEstimable("pre_trend", reason))


def _breakdown(
    values: dict[str, xr.DataArray], absent: list[NotEstimable], log_change: xr.DataArray
) -> None:
    """How far paths may part after the judgement before the interval of year +1 reaches zero.

    Relative magnitudes as in Rambachan and Roth (2023), in simple form: the worst violation of M
    times the largest step before, in each of the two steps from year -1 to +1, is taken off.
    """
    draws = log_change.to_numpy().ravel()
    sign = 1.0 if np.median(draws) > 0 else -1.0
    bound = float(np.quantile(sign * draws, _TAIL))
    drift = max(bound, 0.0) / (MAIN_EVENT + 1)
    values["breakdown_trend"] = xr.DataArray(100 * float(np.expm1(drift)))
    if "placebo_change" not in values:
        reason = "no step between years before the judgement is known"
        absent.append(NotEstimable("breakdown_ratio", reason))
        return
    steps = cast(xr.DataArray, np.log1p(values["placebo_change"] / 100))
    largest = abs(steps).max("event_time").to_numpy().ravel()

    def holds_zero(ratio: float) -> bool:
        off = sign * draws - (MAIN_EVENT + 1) * ratio * largest
        return float(np.quantile(off, _TAIL)) <= 0

    low, high = 0.0, LARGEST_BREAKDOWN
    if holds_zero(low):
        high = 0.0
    elif holds_zero(high):
        for _ in range(40):
            middle = (low + high) / 2
            low, high = (low, middle) if holds_zero(middle) else (middle, high)
    values["breakdown_ratio"] = xr.DataArray(high)


def _excess(
    values: dict[str, xr.DataArray],
    absent: list[NotEstimable],
    effect: xr.DataArray,
    la_year: xr.DataArray,
    cells: pd.DataFrame,
    observations: AftermathObservations,
) -> None:
    rows = _judged_rows(observations, cells, EXCESS_EVENTS)
    place = xr.DataArray(rows["cell"].to_numpy(), dims="row")
    own = effect.drop_vars("effect_cell", errors="ignore").isel(
        effect_cell=xr.DataArray(rows["effect"].to_numpy(), dims="row")
    )
    exposure = xr.DataArray(observations.cells["exposure"].to_numpy()[rows["cell"]], dims="row")
    with_effect = np.exp(la_year.drop_vars("obs", errors="ignore").isel(obs=place)) * exposure
    cases = with_effect * (1 - np.exp(-own))
    years = sorted({int(year) for year in rows["year"]})
    by_year = [
        cases.isel(row=np.flatnonzero(rows["year"].to_numpy() == year)).sum("row") for year in years
    ]
    values["excess_by_year"] = xr.concat(by_year, "year").assign_coords(year=years)
    values["excess_total"] = cases.sum("row")
    if observations.rise > 0:
        values["excess_share_of_rise"] = 100 * values["excess_total"] / observations.rise
    else:
        reason = "the national rate did not rise above that of the first year"
        absent.append(NotEstimable("excess_share_of_rise", reason))


# ---------------------------------------------------------------------------------- in words


def in_words(summary: pd.DataFrame, observations: AftermathObservations, judgement: str) -> str:
    """The answer in one sentence; the rule for its verdict is fixed here beforehand.

    A change is called clear when the interval of year +1 leaves zero out, the interval of the trend
    before holds zero and neither pretended date finds anything.
    """
    rows: dict[str, Any] = {
        str(name): group.iloc[0]
        for name, group in summary.groupby("estimand", sort=False)
        if group["mean"].notna().any()
    }
    after, what = CLASS_LABELS[judgement], outcome_label(observations.outcome)
    if "main_change" not in rows:
        return f"What follows {after} in the first full year is not estimable from these figures."
    main = rows["main_change"]
    unit = "percentage points" if observations.is_share else "per cent"
    cells = event_cells(observations)
    n = int(cells.loc[cells["event_time"] == MAIN_EVENT, "judged"].sum())
    mean, interval = stated(main, is_signed=True)
    said = (
        f"In the first full year after {after} {what} changed by {mean} {unit} "
        f"(90% interval {interval}) against "
        "authorities inspected in the same years, a descriptive difference-in-differences over "
        f"{n} judgements: {_verdict(summary, main)}"
    )
    if "breakdown_trend" in rows and rows["breakdown_trend"]["mean"] > 0:
        # Of draws as few as a tail has: two figures.
        drift = float(rows["breakdown_trend"]["mean"])
        text = number(drift, 1 - math.floor(math.log10(drift)))
        said += f"; a drift of {text} per cent a year would undo it"
    return said + "."


def _verdict(summary: pd.DataFrame, main: Mapping[str, float]) -> str:
    if main["lower"] <= 0 <= main["upper"]:
        return "undecided"
    before = summary[summary["estimand"].isin(["pre_trend", "placebo_change"])].dropna(
        subset=["lower"]
    )
    if not (summary.loc[summary["estimand"] == "pre_trend", "lower"].notna()).any():
        return "undecided, for the paths before are not known"
    if ((before["lower"] > 0) | (before["upper"] < 0)).any():
        return "undecided, for paths had parted before the judgement"
    return "a rise" if main["lower"] > 0 else "a fall"
