"""Predictive checks of judgements: statistics fixed beforehand, compared with replicated data.

Log rates of single inspections say nothing; these are numbers of inadequate judgements, by group
and by predicted probability.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from experiments.predictive import TAIL, Check

FIFTHS = 5


@dataclass(frozen=True)
class _Judgements:
    """Inspections with the group each belongs to, and the model's expected number of events."""

    groups: Mapping[str, tuple[np.ndarray, list[str]]]
    expected: np.ndarray
    la: np.ndarray


@dataclass(frozen=True)
class _Statistic:
    """``groups`` names the groups among which the worst is sought; such a departure can only be too
    large.
    """

    name: str
    label: str
    text: str
    function: Callable[[np.ndarray, _Judgements], np.ndarray]
    groups: str | None = None


def check_inspections(
    trace: xr.DataTree, coords: Mapping[str, list], regions: Sequence[str]
) -> list[Check]:
    """Checks of inadequate judgements, and of all grades where the outcome has more than two.

    ``trace`` needs `observed_data.y`, `constant_data` (``la, year, framework, y_worst``) and
    `posterior_predictive.y`; without replicates every check is "not assessed".
    """
    if "posterior_predictive" not in trace.children:
        return [_unmade(statistic, "no replicated data") for statistic in _STATISTICS]
    constant = trace["constant_data"].to_dataset()
    y = trace["observed_data"]["y"].to_numpy()
    replicated = trace["posterior_predictive"]["y"].transpose("chain", "draw", "obs").to_numpy()
    replicated = replicated.reshape(-1, replicated.shape[-1])
    worst = constant["y_worst"].to_numpy()
    observed, drawn = ((values == worst).astype(float) for values in (y[None], replicated))
    expected = drawn.mean(axis=0)
    la = constant["la"].to_numpy()
    names, region_of_la = np.unique(np.asarray(regions, str), return_inverse=True)
    order = np.argsort(np.argsort(expected, kind="stable"), kind="stable")
    groups = {
        "framework": (constant["framework"].to_numpy(), [str(f) for f in coords["framework"]]),
        "year": (constant["year"].to_numpy(), [str(year) for year in coords["year"]]),
        "region": (region_of_la[la], list(names)),
        "fifth": (order * FIFTHS // len(order), [f"fifth {n + 1}" for n in range(FIFTHS)]),
    }
    judgements = _Judgements(groups, expected, la)
    checks = [_compare(s, observed, drawn, judgements) for s in _STATISTICS]
    if worst.max() > 1:
        checks.append(_compare_grades(y[None], replicated))
    return checks


def _sums(x: np.ndarray, index: np.ndarray, groups: int) -> np.ndarray:
    indicator = np.zeros((len(index), groups))
    indicator[np.arange(len(index)), index] = 1
    return np.asarray(x @ indicator)


def _departures(x: np.ndarray, judgements: _Judgements, by: str) -> np.ndarray:
    """How far each group's number of events lies from the expected, in its own sd; NaN if empty."""
    index, names = judgements.groups[by]
    p = judgements.expected
    # Replicates are some hundreds: a probability that none of them had an event is not nought.
    variance = _sums(np.maximum(p * (1 - p), 1e-3)[None], index, len(names))[0]
    rest = _sums(x - p, index, len(names))
    with np.errstate(invalid="ignore"):
        return np.asarray(np.abs(rest) / np.sqrt(np.where(variance > 0, variance, np.nan)))


def _largest(by: str) -> Callable[[np.ndarray, _Judgements], np.ndarray]:
    def statistic(x: np.ndarray, judgements: _Judgements) -> np.ndarray:
        return np.asarray(np.nanmax(_departures(x, judgements, by), axis=1))

    return statistic


def _calibration(x: np.ndarray, judgements: _Judgements) -> np.ndarray:
    return np.asarray(np.nansum(_departures(x, judgements, "fifth") ** 2, axis=1))


def _events(x: np.ndarray, judgements: _Judgements) -> np.ndarray:
    return np.asarray(x.sum(axis=1))


def _repeated(x: np.ndarray, judgements: _Judgements) -> np.ndarray:
    """Pairs of events of one authority."""
    sums = _sums(x, judgements.la, int(judgements.la.max()) + 1)
    return np.asarray((sums * (sums - 1) / 2).sum(axis=1))


_STATISTICS = (
    _Statistic("events", "Inadequate judgements", "number of inadequate judgements", _events),
    _Statistic(
        "framework_departure",
        "Frameworks",
        "largest departure of a framework's number of inadequate judgements, in its own sd",
        _largest("framework"),
        groups="framework",
    ),
    _Statistic(
        "year_departure",
        "Single years",
        "largest departure of a year's number of inadequate judgements, in its own sd",
        _largest("year"),
        groups="year",
    ),
    _Statistic(
        "region_departure",
        "Regions",
        "largest departure of a region's number of inadequate judgements, in its own sd",
        _largest("region"),
        groups="region",
    ),
    _Statistic(
        "calibration",
        "Calibration curve",
        "sum of squared departures over fifths of predicted probability",
        _calibration,
        groups="fifth",
    ),
    _Statistic(
        "repeated_events",
        "Authorities that fail again",
        "pairs of inadequate judgements of one authority",
        _repeated,
    ),
)


def _unmade(statistic: _Statistic, reason: str) -> Check:
    name, label, text = statistic.name, statistic.label, statistic.text
    return Check(name, label, text, None, None, None, None, "not assessed", reason)


def _compare(
    statistic: _Statistic, observed: np.ndarray, drawn: np.ndarray, judgements: _Judgements
) -> Check:
    values = statistic.function(drawn, judgements)
    value = float(statistic.function(observed, judgements)[0])
    if np.ptp(np.append(values, value)) == 0:
        return _unmade(statistic, "these inspections leave it no room to vary")
    where = ""
    if statistic.groups:
        departures = _departures(observed, judgements, statistic.groups)[0]
        where = judgements.groups[statistic.groups][1][int(np.nanargmax(departures))]
    return _judge(statistic, value, values, where, only_large=bool(statistic.groups))


def _judge(
    statistic: _Statistic, value: float, values: np.ndarray, where: str, *, only_large: bool
) -> Check:
    lower, upper = np.quantile(values, [0.05, 0.95])
    # Numbers have ties: too large and too small are judged by the replicates on either side.
    p, below = float((values >= value).mean()), float((values <= value).mean())
    misfit = p < TAIL or (below < TAIL and not only_large)
    return Check(
        statistic.name,
        statistic.label,
        statistic.text,
        value,
        float(lower),
        float(upper),
        p,
        "misfit" if misfit else "pass",
        where,
    )


def _compare_grades(y: np.ndarray, replicated: np.ndarray) -> Check:
    """Largest departure of a grade's number of inspections."""
    statistic = _Statistic("grades", "All grades", "largest departure of a grade's number", _events)
    steps = np.arange(int(replicated.max()) + 1)
    drawn = np.stack([(replicated == step).sum(axis=1) for step in steps], axis=1)
    seen = np.array([(y == step).sum() for step in steps])
    expected, sd = drawn.mean(axis=0), np.maximum(drawn.std(axis=0), 1.0)
    departure = np.abs(seen - expected) / sd
    where = f"{steps[int(departure.argmax())]} steps below outstanding"
    values = (np.abs(drawn - expected) / sd).max(axis=1)
    return _judge(statistic, float(departure.max()), values, where, only_large=True)
