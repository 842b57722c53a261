"""Local authorities of a run: what is known of each, how sure its rank is, and who is like it.

A **quantity** is an estimand with authorities, of one outcome and, where it has years, of the last.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd

from reports.run_folder import Run
from reports.wording import (
    count,
    estimate,
    is_number,
    number,
    probability,
    with_unit,
    within_sentence,
)

# Even to the eye from end to end, also for the colour-blind and in grey.
SEQUENTIAL = mpl.colormaps["cividis_r"]
STOPS = np.linspace(0, 1, 9)
# From this probability on a place among the highest or lowest fifth counts as sure.
SURE = 0.9
EXTREMES = 3
# Single values that every authority's estimate can be set against: what the model says of all.
_OF_ALL = {
    "la_rate": ("national_rate",),
    "la_growth": ("annual_growth",),
    "la_gate": ("gate_ratio", "share"),
    "la_within_change": ("within_change",),
    "la_mean": ("mean",),
}
_AS_EXPECTED = ("la_observed_ratio",)


@dataclass(frozen=True)
class Reference:
    """What estimates are set against: a value and its name."""

    value: float
    label: str

    @property
    def words(self) -> str:
        """Its name within a sentence."""
        if self.label == "as expected":
            return "what is expected"
        return self.label if self.label == "England" else f"the {self.label}"


@dataclass(frozen=True)
class Quantity:
    """One column of numbers about authorities.

    ``table`` is indexed by code, with ``mean, lower, upper, unit`` and what rounding needs, and,
    where the run holds ranks, ``rank, rank_lower, rank_upper, p_top_fifth, p_bottom_fifth``.
    """

    key: str
    title: str
    unit: str
    estimand: str
    outcome: str
    year: int | None
    table: pd.DataFrame
    reference: Reference

    @property
    def axis(self) -> str:
        """Name of an axis that shows it."""
        return f"{self.title}\n{self.unit}" if self.unit else self.title

    @property
    def ends(self) -> tuple[float, float]:
        """Where a scale of colours ends: all but a few of the extremes lie within."""
        low, high = self.table["mean"].astype(float).quantile([0.02, 0.98])
        return float(low), max(float(high), float(low) + 1e-9)

    @property
    def is_ranked(self) -> bool:
        """Whether it is known how sure its order is."""
        return "rank" in self.table


def quantities(run: Run) -> list[Quantity]:
    """Estimands with authorities, one for each outcome; of years the last."""
    table = run.estimands
    with_la = table[table["la"].notna() & table["mean"].notna()]
    outcomes = {str(row["name"]): str(row["label"]) for row in run.spec.get("outcomes", [])}
    found = []
    for estimand, rows in with_la.groupby("estimand", sort=False):
        unit = str(rows["unit"].iloc[0])
        if unit.startswith(("rank", "probability")):
            continue
        by = rows["outcome"].fillna("") if "outcome" in rows else pd.Series("", rows.index)
        for outcome, own in rows.groupby(by, sort=False):
            year = int(own["year"].max()) if own["year"].notna().any() else None
            if year is not None:
                own = own[own["year"] == year]
            if own["la"].duplicated().any():
                continue
            label = str(own["label"].iloc[0])
            of = outcomes.get(str(outcome)) or (run.outcome if str(estimand) == "la_rate" else "")
            title = f"{of}: {within_sentence(label)}" if of else label
            title += f", {year}" if year is not None else ""
            own = own.set_index("la").join(_ranks_of(run, str(estimand), str(outcome)))
            found.append(
                Quantity(
                    key="-".join(filter(None, (str(estimand), str(outcome)))),
                    title=title,
                    unit="" if with_unit("1", unit) == "1" else unit,
                    estimand=str(estimand),
                    outcome=str(outcome),
                    year=year,
                    table=own,
                    reference=_reference(run, str(estimand), str(outcome), year, own),
                )
            )
    return found


def ranked(run: Run) -> list[Quantity]:
    """Quantities whose ranks are known: others are not to be put in order."""
    return [quantity for quantity in quantities(run) if quantity.is_ranked]


def _ranks_of(run: Run, estimand: str, outcome: str) -> pd.DataFrame:
    table = run.ranks
    mine = table["estimand"] == estimand
    if "outcome" in table:
        mine &= table["outcome"].fillna("").astype(str) == outcome
    names = ["rank", "rank_lower", "rank_upper", "p_top_fifth", "p_bottom_fifth", "authorities"]
    own = table[mine]
    return own.set_index("la")[names] if len(own) else pd.DataFrame(index=pd.Index([], name="la"))


def _reference(
    run: Run, estimand: str, outcome: str, year: int | None, own: pd.DataFrame
) -> Reference:
    if estimand in _AS_EXPECTED:
        return Reference(1.0, "as expected")
    for name in _OF_ALL.get(estimand, ()):
        rows = run.estimand(name)
        if name == "annual_growth" and not _same_first_year(run):
            continue
        if "outcome" in rows and outcome:
            rows = rows[rows["outcome"].astype(str) == outcome]
        if year is not None:
            rows = rows[rows["year"] == year]
        if len(rows) == 1:
            return Reference(float(rows["mean"].iloc[0]), "England")
    return Reference(float(own["mean"].median()), "median authority")


def _same_first_year(run: Run) -> bool:
    """Whether England's rates begin when those of authorities do, so that growth is comparable."""
    national, own = (run.estimand(name)["year"] for name in ("national_rate", "la_rate"))
    return len(national) > 0 and len(own) > 0 and national.min() == own.min()


def choose(
    quantity: Quantity, own: str | None = None, neighbours: Sequence[str] = ()
) -> pd.DataFrame:
    """The authorities to show: extremes, the median, one's own and its neighbours, highest first.

    Returns
    -------
    Rows of the quantity's table with a column ``role``.
    """
    order = quantity.table["mean"].sort_values(ascending=False, kind="stable").index
    ends = min(EXTREMES, len(order) // 2)
    role = dict.fromkeys(neighbours, "statistical neighbour")
    role = {code: said for code, said in role.items() if code in quantity.table.index}
    role |= dict.fromkeys(order[:ends], "highest") | dict.fromkeys(
        order[len(order) - ends :], "lowest"
    )
    role.setdefault(order[len(order) // 2], "median")
    if own in quantity.table.index:
        role[str(own)] = "own"
    chosen = quantity.table.loc[[code for code in order if code in role]]
    return chosen.assign(role=[role[code] for code in chosen.index])


def rank_words(row: Mapping[str, Any]) -> str:
    """``34 of 152 (20 to 57)``, or blank where it is not known."""
    if not is_number(row.get("rank")):
        return ""
    return (
        f"{count(row['rank'])} of {count(row['authorities'])} "
        f"({count(row['rank_lower'])} to {count(row['rank_upper'])})"
    )


def sureness(row: Mapping[str, Any]) -> str:
    """In words: how sure one can be of where the authority stands."""
    if not is_number(row.get("rank")):
        return "How sure its place is was not assessed."
    top, bottom = float(row["p_top_fifth"]), float(row["p_bottom_fifth"])
    said = (
        f"Among the highest fifth with probability {probability(top)}, among the lowest with "
        f"{probability(bottom)}: "
    )
    if top >= SURE:
        return f"{said}one can be sure that it is among the highest."
    if bottom >= SURE:
        return f"{said}one can be sure that it is among the lowest."
    if 1 - top - bottom >= SURE:
        return f"{said}one can be sure that it is among neither."
    return f"{said}undecided."


def against(row: Mapping[str, Any], reference: Reference) -> str:
    """On which side of the reference the whole interval lies, if on one."""
    if not (is_number(row.get("lower")) and is_number(row.get("upper"))):
        return "not assessed"
    if float(row["lower"]) > reference.value:
        return "above"
    if float(row["upper"]) < reference.value:
        return "below"
    return "interval holds it"


def explorer_data(run: Run, found: Sequence[Quantity], stamp: str) -> dict[str, Any]:
    """What the page's script draws from; every picture bears the stamp.

    Numbers to print are texts, rounded as everywhere; numbers to draw are in full.
    """
    codes = list(dict.fromkeys(code for quantity in found for code in quantity.table.index))
    place = {code: i for i, code in enumerate(codes)}
    near = run.places.get("neighbours", {})
    tiles = run.places.get("tiles", {})
    return {
        "las": [
            {
                "code": code,
                "name": run.la_name(code),
                "region": run.la_region(code),
                "near": [place[other] for other in near.get(code, []) if other in place],
                "tile": tiles.get(code),
            }
            for code in codes
        ],
        "without": [
            {"name": str(run.places["las"].get(code, {}).get("name") or code), "tile": tile}
            for code, tile in tiles.items()
            if code not in place
        ],
        "quantities": [_explored(quantity, codes) for quantity in found],
        "interval": run.interval,
        "colours": [[round(255 * part) for part in colour[:3]] for colour in SEQUENTIAL(STOPS)],
        "stamp": stamp,
    }


def _explored(quantity: Quantity, codes: Sequence[str]) -> dict[str, Any]:
    rows: list[Any] = quantity.table.reindex(list(codes)).to_dict("records")
    return {
        "key": quantity.key,
        "title": quantity.title,
        "unit": quantity.unit,
        "reference": _significant(quantity.reference.value),
        "reference_label": quantity.reference.label,
        "reference_words": quantity.reference.words,
        "reference_text": number(quantity.reference.value),
        "ends": [_significant(end) for end in quantity.ends],
        "rows": [
            None
            if not is_number(row["mean"])
            else {
                "m": _significant(row["mean"]),
                "l": _significant(row["lower"]),
                "u": _significant(row["upper"]),
                "text": str(estimate(row)),
                "short": f"{estimate(row).mean} ({estimate(row).interval})",
                "rank": [
                    int(row["rank_lower"]),
                    _significant(row["rank"]),
                    int(row["rank_upper"]),
                ],
                "of": int(row["authorities"]),
                "place": rank_words(row),
                "sure": sureness(row),
                "side": against(row, quantity.reference),
            }
            for row in rows
        ],
    }


def _significant(value: Any) -> float | None:
    return float(f"{float(value):.5g}") if is_number(value) else None


def split_by_side(quantity: Quantity) -> dict[str, int]:
    """How many authorities lie wholly above, wholly below, and on neither side of the reference."""
    low, high = (quantity.table[end].to_numpy(dtype=float) for end in ("lower", "upper"))
    above, below = low > quantity.reference.value, high < quantity.reference.value
    return {
        "above": int(above.sum()),
        "below": int(below.sum()),
        "neither": int(np.sum(~above & ~below)),
    }
