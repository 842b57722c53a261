"""How sure the ranks of authorities are: `ranks.csv`, from draws of every estimand that has them.

A rank is a function of all authorities at once, so its uncertainty cannot be read from their own
intervals: it is taken draw by draw. Means of ranks are pulled towards the middle where little is
known, as they should be (Goldstein and Spiegelhalter 1996, JRSS A 159).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from experiments.diagnostics import INTERVAL_WIDTH
from models.rates import ranks
from models.spec import Estimand

FILE = "ranks.csv"
COLUMNS = (
    "rank",
    "rank_lower",
    "rank_upper",
    "p_top_fifth",
    "p_bottom_fifth",
    "authorities",
)
# A probability that must not be used to order authorities has no ranks.
UNRANKED = ("p_inadequate",)


def rank_authorities(
    values: Mapping[str, xr.DataArray], declared: Sequence[Estimand]
) -> pd.DataFrame:
    """Ranks of authorities for each estimand, and for each of its outcomes; 1 is the highest.

    Parameters
    ----------
    values
        Draws of estimands, with ``chain, draw`` and the estimand's coordinates. Those without
        draws, without authorities, or that are ranks themselves are passed over.
    declared
        What the estimands are.

    Returns
    -------
    ``estimand``, the coordinates in alphabetical order (of years the last alone), ``rank`` (mean),
    ``rank_lower, rank_upper`` (equal-tailed interval, whole places), ``p_top_fifth,
    p_bottom_fifth`` (share of draws) and ``authorities``, of how many the rank is. An authority
    without finite draws is not among them.
    """
    tables = []
    for estimand in declared:
        draws = values.get(estimand.name)
        if (
            draws is None
            or "la" not in draws.dims
            or "draw" not in draws.dims
            or estimand.name in UNRANKED
            or estimand.unit.startswith("rank")
        ):
            continue
        if "year" in draws.dims:
            draws = draws.isel(year=[-1])
        others = [str(d) for d in draws.dims if d not in ("chain", "draw", "la")]
        stacked = draws.stack(slice=others) if others else draws.expand_dims("slice")
        for place in range(stacked.sizes["slice"]):
            own = stacked.isel(slice=place)
            at = {name: own[name].item() for name in others}
            tables.append(_ranks_of(own.drop_vars(["slice", *others], errors="ignore")))
            tables[-1].insert(0, "estimand", estimand.name)
            tables[-1] = tables[-1].assign(**at)
    if not tables:
        return pd.DataFrame(columns=["estimand", "la", *COLUMNS])
    table = pd.concat(tables, ignore_index=True)
    coordinates = sorted(set(table.columns) - {"estimand", *COLUMNS})
    if "year" in table:
        table["year"] = table["year"].astype("Int64")
    return table[["estimand", *coordinates, *COLUMNS]]


def _ranks_of(draws: xr.DataArray) -> pd.DataFrame:
    flat = draws.stack(sample=("chain", "draw")).transpose("sample", "la").reset_index("sample")
    flat = flat.isel(la=np.isfinite(flat.to_numpy()).all(axis=0))
    n = flat.sizes["la"]
    found = ranks(flat).to_numpy() if n else np.empty((1, 0))
    fifth = int(np.ceil(n / 5))
    tail = (1 - INTERVAL_WIDTH) / 2
    # Whole places: an interval that holds at least its share of draws.
    lower = np.quantile(found, tail, axis=0, method="inverted_cdf")
    upper = np.quantile(found, 1 - tail, axis=0, method="inverted_cdf")
    return pd.DataFrame(
        {
            "la": flat["la"].to_numpy(),
            "rank": found.mean(axis=0),
            "rank_lower": lower.astype(int),
            "rank_upper": upper.astype(int),
            "p_top_fifth": (found <= fifth).mean(axis=0),
            "p_bottom_fifth": (found > n - fifth).mean(axis=0),
            "authorities": n,
        }
    )


def write_ranks(table: pd.DataFrame, run: Path) -> Path:
    """Write ``ranks.csv`` into a run folder."""
    path = run / FILE
    table.to_csv(path, index=False, float_format="%.6g")
    return path
