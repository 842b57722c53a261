"""Words of answers and notes; numbers never more precise than the draws allow, never certain.

Reports print by the same rules. They read files alone and import nothing from here, so that each
has its own; a test holds the two together.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

# The Monte Carlo error of a 5 % or 95 % quantile of n normal draws is this many sd / sqrt(n).
_QUANTILE_ERROR = math.sqrt(0.05 * 0.95) / 0.10314


def stated(row: Mapping[Any, Any] | pd.Series, *, is_signed: bool = False) -> tuple[str, str]:
    """Mean and interval of a row of `estimands.csv`, rounded alike: ``63`` and ``51 to 76``.

    A unit of the last place is no smaller than the largest Monte Carlo error of the three, and two
    figures of the posterior sd are enough; a row that gives neither has three figures of its mean.
    """
    places = _places(row)
    show = signed if is_signed else number
    mean, lower, upper = (show(row[end], places) for end in ("mean", "lower", "upper"))
    return mean, f"{lower} to {upper}"


def number(value: float, places: int) -> str:
    """So many decimals, thousands separated, a true minus sign."""
    rounded = round(float(value), places)
    return ("−" if rounded < 0 else "") + f"{abs(rounded):,.{max(places, 0)}f}"


def signed(value: float, places: int) -> str:
    """The same with its sign; what rounds to nothing has none."""
    text = number(value, places)
    return f"+{text}" if text[0] != "−" and text.strip("0.,") else text


def stated_probability(value: float) -> str:
    """Two decimals; a share of draws is never certain."""
    if value < 0.01:
        return "< 0.01"
    return "> 0.99" if value > 0.99 else f"{value:.2f}"


def without_figures(las: pd.DataFrame, seen: Iterable[Any], most: int | None = 5) -> str:
    """Names of the authorities of ``las`` (index code, column ``name``) that are not among the
    codes ``seen``: the first ``most``, and how many more; blank where there are none.
    """
    names = list(las.loc[~las.index.isin(set(seen)), "name"])
    rest = len(names[most:]) if most is not None else 0
    return ", ".join(names[:most]) + (f" and {rest} more" if rest else "")


def _places(row: Mapping[Any, Any] | pd.Series) -> int:
    sd, errors = _positive(row.get("sd")), []
    for ess, factor in (("ess_bulk", 1.0), ("ess_tail", _QUANTILE_ERROR)):
        if sd and (draws := _positive(row.get(ess))):
            errors.append(factor * sd / math.sqrt(draws))
    places = [math.floor(-math.log10(max(errors)))] if errors else []
    if sd:
        places.append(1 - math.floor(math.log10(sd)))
    elif mean := abs(float(row["mean"])):
        places.append(2 - math.floor(math.log10(mean)))
    return min(places, default=0)


def _positive(value: Any) -> float:
    """A finite number above nought, or nought."""
    known = value is not None and math.isfinite(float(value)) and float(value) > 0
    return float(value) if known else 0.0
