"""Computes: convergence of every free scalar, and summaries of estimands.

R-hat and effective sample sizes are those of Vehtari, Gelman, Simpson, Carpenter and Bürkner
(2021), computed for thousands of quantities in one sweep; the tests hold them against ArviZ to
rounding.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import xarray as xr
from scipy.fft import irfft, next_fast_len, rfft
from scipy.special import ndtri

from models.spec import Block, Estimand, NotEstimable

# The house interval: equal-tailed, printed with every number.
INTERVAL_WIDTH = 0.9
INTERVAL = f"{INTERVAL_WIDTH:.0%} equal-tailed"
DIAGNOSTIC_COLUMNS = (
    "variable",
    "block",
    "coordinate",
    "r_hat",
    "ess_bulk",
    "ess_tail",
    "mcse_mean",
)
SUMMARY_COLUMNS = (
    "estimand",
    "label",
    "unit",
    "mean",
    "sd",
    "lower",
    "upper",
    "interval",
    "ess_bulk",
    "ess_tail",
    "r_hat",
)
# Quantities handled at once: a share for every thread also where a variable has few.
_CHUNK = 32
# Lags of autocorrelation looked at first.
_LAGS = 128


def convergence(draws: np.ndarray) -> dict[str, np.ndarray]:
    """R-hat, bulk and tail ESS and the Monte Carlo error of the mean.

    Parameters
    ----------
    draws : (quantity, chain, draw)

    Returns
    -------
    dict of arrays (quantity,); NaN where a quantity does not vary or holds a non-finite draw.
    """
    return _in_threads(_convergence, draws)


def _in_threads(
    work: Callable[[np.ndarray], dict[str, np.ndarray]], draws: np.ndarray
) -> dict[str, np.ndarray]:
    """What ``work`` says of each quantity, a chunk of them for each thread at a time."""
    chunks = [draws[start : start + _CHUNK] for start in range(0, len(draws), _CHUNK)]
    # Sorting and Fourier transforms leave the interpreter lock alone, so threads do help.
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        parts = list(threads.map(lambda chunk: work(np.array(chunk, float)), chunks))
    if not parts:
        parts = [work(np.empty((0, 1, 1)))]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _convergence(
    draws: np.ndarray, order: np.ndarray | None = None, ordered: np.ndarray | None = None
) -> dict[str, np.ndarray]:
    """As `convergence`. Where the caller has them, ``order`` is what sorts the draws of each
    quantity, chains end to end, and ``ordered`` the draws sorted; an odd number of draws to a chain
    is sorted anew.
    """
    count = draws.shape[0]
    with np.errstate(invalid="ignore"):
        usable = np.isfinite(draws).all(axis=(1, 2)) & (
            draws.max(axis=(1, 2)) - draws.min(axis=(1, 2)) > 0
        )
    names = ("r_hat", "ess_bulk", "ess_tail", "mcse_mean")
    result = {name: np.full(count, np.nan) for name in names}
    if not usable.any():
        return result
    x = draws if usable.all() else draws[usable]
    split = _split(x)
    is_whole = split[0].size == x[0].size
    if order is None or ordered is None or not is_whole:
        order, ordered = _sorted(split)
    else:
        order, ordered = order[usable], ordered[usable]
    ranked = _normal_scores(order, ordered).reshape(split.shape)
    middle = (ordered.shape[1] - 1) // 2, ordered.shape[1] // 2
    median = (ordered[:, middle[0]] + ordered[:, middle[1]])[:, None] / 2
    # Distances from the median fall, then rise: a sort that merges runs has little left to do.
    from_median = np.abs(ordered - median)
    again = np.argsort(from_median, axis=1, kind="stable")
    folded = _normal_scores(
        np.take_along_axis(order, again, axis=1), np.take_along_axis(from_median, again, axis=1)
    ).reshape(split.shape)
    result["r_hat"][usable] = np.maximum(_r_hat(ranked), _r_hat(folded))
    result["ess_bulk"][usable] = _ess(ranked)
    if not is_whole:
        ordered = np.sort(x.reshape(len(x), -1), axis=1)
    low, high = (_sorted_quantile(ordered, p)[:, None, None] for p in (0.05, 0.95))
    result["ess_tail"][usable] = np.minimum(_ess(_split(x <= low)), _ess(_split(x <= high)))
    sd = x.std(axis=(1, 2), ddof=1)
    result["mcse_mean"][usable] = sd / np.sqrt(_ess(split))
    return result


def _split(draws: np.ndarray) -> np.ndarray:
    """Each chain cut into halves: (quantity, 2 chains, draw / 2), in the order of the draws; an odd
    middle draw left out.
    """
    count, chains, length = draws.shape
    half = length // 2
    if length % 2:
        draws = np.concatenate([draws[:, :, :half], draws[:, :, -half:]], axis=2)
    return draws.reshape(count, 2 * chains, half)


def _sorted(draws: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What sorts the draws of each quantity, and they sorted; both (quantity, chain x draw)."""
    flat = draws.reshape(len(draws), -1)
    order = np.argsort(flat, axis=1)
    return order, np.take_along_axis(flat, order, axis=1)


def _normal_scores(order: np.ndarray, ordered: np.ndarray) -> np.ndarray:
    """Normal scores of the ranks of each row's draws, given what sorts them and them sorted; equal
    draws share the mean of their ranks.
    """
    rows, length = ordered.shape
    # Ranks from nought are halves at the finest, so that a table has all their scores.
    scores = ndtri((np.arange(2 * length - 1) / 2 + 0.625) / (length + 0.25))
    differs = np.ones((rows, length), bool)
    differs[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    by_rank = np.broadcast_to(scores[::2], (rows, length))
    if not differs.all():
        starts = np.flatnonzero(differs)
        runs = np.diff(starts, append=rows * length)
        twice_rank = 2 * (starts % length) + runs - 1
        by_rank = np.repeat(scores[twice_rank], runs).reshape(rows, length)
    result = np.empty((rows, length))
    np.put_along_axis(result, order, by_rank, axis=1)
    return result


def _r_hat(draws: np.ndarray) -> np.ndarray:
    length = draws.shape[2]
    between = length * draws.mean(axis=2).var(axis=1, ddof=1)
    within = draws.var(axis=2, ddof=1).mean(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.sqrt((between / within + length - 1) / length)


def _ess(draws: np.ndarray) -> np.ndarray:
    """Effective sample size by Geyer's initial monotone sequence over split chains."""
    count, chains, length = draws.shape
    if length < 4:
        return np.full(count, np.nan)
    variance = draws.mean(axis=2).var(axis=1, ddof=1)
    # Nearly all sequences end within the first lags.
    tau, total, ended = _autocorrelation_time(draws, variance, min(length, _LAGS))
    if length > _LAGS and not ended.all():
        tau[~ended] = _autocorrelation_time(draws[~ended], variance[~ended], length)[0]
    samples = chains * length
    tau = np.maximum(tau, 1 / np.log10(samples))
    # An indicator that never changes (a discrete quantity whose tail is one value) has nothing to
    # lose by autocorrelation: every draw counts, as in ArviZ.
    return np.where(total > 0, samples / tau, samples)


def _autocorrelation_time(
    draws: np.ndarray, variance: np.ndarray, lags: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sum of autocorrelations within the first ``lags``, the total variance, and whether the
    sequence ended before the lags did; each (quantity,). ``variance`` is that of chains' means.
    """
    count, chains, length = draws.shape
    # Padded by as many zeros as there are lags: what comes round reaches none of them.
    size = next_fast_len(length + lags, real=True)
    spectrum = rfft(draws - draws.mean(axis=2, keepdims=True), n=size, axis=2).view(float)
    power = np.einsum("ijk,ijk->ik", spectrum, spectrum) / chains
    covariance = irfft(power[:, ::2] + power[:, 1::2], n=size, axis=1)[:, :lags] / length
    within = covariance[:, 0] * length / (length - 1)
    total = within * (length - 1) / length + variance
    with np.errstate(divide="ignore", invalid="ignore"):
        rho = 1 - (within[:, None] - covariance) / total[:, None]
    rho[:, 0] = 1.0
    # The last lags are left to the rule for the next even one below.
    pairs = max((lags - 3) // 2, 1)
    sums = rho[:, : 2 * pairs + 2 : 2] + rho[:, 1 : 2 * pairs + 2 : 2]
    # The first pair always counts; after it, pairs count until one is negative, never rising.
    counts = np.ones((count, pairs), bool)
    counts[:, 1:] = sums[:, 1:pairs] > 0
    alive = np.logical_and.accumulate(counts, axis=1)
    after = alive.sum(axis=1, keepdims=True)
    monotone = np.minimum.accumulate(np.where(alive, sums[:, :pairs], np.inf), axis=1)
    tau = -1 + 2 * np.where(alive, monotone, 0.0).sum(axis=1)
    # Geyer's sequence ends with the next even autocorrelation: if positive (Stan's rule), or if
    # only the chain's length ended the sequence.
    even = np.take_along_axis(rho, 2 * after, axis=1)[:, 0]
    unended = np.take_along_axis(sums, after, axis=1)[:, 0] >= 0
    tau += np.where(unended, even, np.maximum(even, 0))
    return tau, total, after[:, 0] < pairs


def _scalars(array: xr.DataArray) -> Iterator[tuple[tuple[tuple[str, object], ...], int]]:
    """Coordinates of each scalar of a variable, in the order of its flattened axes."""
    dims = [str(dim) for dim in array.dims if dim not in ("chain", "draw")]
    labels = [
        array[dim].to_numpy() if dim in array.coords else range(array.sizes[dim]) for dim in dims
    ]
    for position, index in enumerate(np.ndindex(*(len(values) for values in labels))):
        yield (
            tuple(
                (dim, labels[axis][i])
                for axis, (dim, i) in enumerate(zip(dims, index, strict=True))
            ),
            position,
        )


def _by_quantity(array: xr.DataArray) -> np.ndarray:
    """Draws as (quantity, chain, draw)."""
    other = [dim for dim in array.dims if dim not in ("chain", "draw")]
    values = array.transpose(*other, "chain", "draw").to_numpy()
    return values.reshape(-1, *values.shape[-2:])


def diagnose(posterior: xr.Dataset, blocks: Sequence[Block], free: Sequence[str]) -> pd.DataFrame:
    """Convergence of every scalar of the ``free`` variables, a row each."""
    block_of = {variable: block.name for block in blocks for variable in block.variables}
    tables = []
    for name in free:
        table = pd.DataFrame(convergence(_by_quantity(posterior[name])))
        table.insert(0, "variable", name)
        table.insert(1, "block", block_of.get(name, "other"))
        table.insert(
            2,
            "coordinate",
            [", ".join(f"{d}={v}" for d, v in coords) for coords, _ in _scalars(posterior[name])],
        )
        tables.append(table)
    return pd.concat(tables, ignore_index=True)[list(DIAGNOSTIC_COLUMNS)]


def summarise(
    values: Mapping[str, xr.DataArray],
    declared: Sequence[Estimand],
    not_estimable: Sequence[NotEstimable] = (),
) -> pd.DataFrame:
    """`estimands.csv`: a row for each scalar of each estimand.

    What is not estimable has no numbers; what is itself a summary of the draws has a mean alone.
    """
    tables = []
    missing = {item.estimand for item in not_estimable}
    for estimand in declared:
        if estimand.name in values:
            tables.append(_summary(values[estimand.name], estimand))
        elif estimand.name in missing:
            tables.append(pd.DataFrame({"estimand": [estimand.name]}))
        else:
            raise ValueError(f"estimand {estimand.name} is neither given nor explained")
        tables[-1] = tables[-1].assign(label=estimand.label, unit=estimand.unit)
    table = pd.concat(tables, ignore_index=True)
    coordinates = sorted(set(table.columns) - set(SUMMARY_COLUMNS))
    for column in coordinates:
        if pd.api.types.is_float_dtype(table[column]):
            table[column] = table[column].astype("Int64")
    return table.reindex(columns=[*SUMMARY_COLUMNS, *coordinates])


def _summary(array: xr.DataArray, estimand: Estimand) -> pd.DataFrame:
    dims = [str(dim) for dim in array.dims if dim not in ("chain", "draw")]
    stacked = array.transpose(*dims, *(d for d in ("chain", "draw") if d in array.dims))
    rows = pd.DataFrame(index=range(int(np.prod([array.sizes[d] for d in dims], initial=1))))
    rows["estimand"] = estimand.name
    shape = [array.sizes[d] for d in dims]
    for name in estimand.coordinates:
        labels = np.broadcast_to(
            array[name].to_numpy().reshape([-1 if d in array[name].dims else 1 for d in dims]),
            shape,
        )
        rows[name] = labels.ravel()
    if "draw" not in array.dims:
        return rows.assign(mean=stacked.to_numpy().ravel())
    draws = _by_quantity(stacked)
    found = _in_threads(_described, draws)
    rows["mean"], rows["sd"] = found["mean"], found["sd"]
    rows["lower"], rows["upper"] = found["lower"], found["upper"]
    rows["interval"] = INTERVAL
    return rows.assign(**{name: found[name] for name in ("r_hat", "ess_bulk", "ess_tail")})


def _described(draws: np.ndarray) -> dict[str, np.ndarray]:
    """Convergence, mean, sd and interval."""
    order, ordered = _sorted(draws)
    tail = (1 - INTERVAL_WIDTH) / 2
    return _convergence(draws, order, ordered) | {
        "mean": ordered.mean(axis=1),
        "sd": ordered.std(axis=1, ddof=1),
        "lower": _sorted_quantile(ordered, tail),
        "upper": _sorted_quantile(ordered, 1 - tail),
    }


def _sorted_quantile(ordered: np.ndarray, p: float) -> np.ndarray:
    """Linear-interpolation quantile of each already sorted row."""
    position = p * (ordered.shape[1] - 1)
    low = int(np.floor(position))
    high = min(low + 1, ordered.shape[1] - 1)
    return ordered[:, low] + (position - low) * (ordered[:, high] - ordered[:, low])
