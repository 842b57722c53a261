"""Which release wins where several publish the same figure.

The rule is stated by the user. ``latest`` takes the newest release, as the publisher revised it;
``first`` takes the figure as it was first published. Where the preferred release holds no number
and no bounds for a cell, the next release is asked, unless it used another definition: no year of a
measure mixes two definitions.
"""

import pandas as pd

from data_prep.indicators import MEASURES, Regime
from data_prep.schema import KNOWN

LATEST, FIRST = "latest", "first"
RULES = (LATEST, FIRST)
_KEYS = ["la_code", "year", "measure"]


def resolve_releases(records: pd.DataFrame, rule: str) -> pd.DataFrame:
    """One record for each authority, year and measure.

    Parameters
    ----------
    records
        Records of all releases (``schema.RECORD_COLUMNS``); several of one release for the same
        cell are all kept, for the checks to refuse.
    rule
        ``latest`` or ``first``.
    """
    if rule not in RULES:
        raise ValueError(f"rule must be one of {RULES}, not {rule!r}")
    if records.empty:
        return records
    newest = rule == LATEST
    definition = definitions(records)
    preferred = records.groupby(["measure", "year"])["released"].transform(
        "max" if newest else "min"
    )
    wanted = definitions(records.assign(released=preferred))
    eligible = records[(definition == wanted).to_numpy()]
    ranked = eligible.assign(
        unknown=~eligible["status"].isin(KNOWN),
        order=-eligible["released"] if newest else eligible["released"],
    )
    ranked = ranked.sort_values([*_KEYS, "unknown", "order"], kind="stable")
    best = ranked.groupby(_KEYS)["released"].transform("first")
    kept = ranked[ranked["released"] == best]
    return kept[list(records.columns)].reset_index(drop=True)


def definitions(records: pd.DataFrame) -> pd.Series:
    """Name of the definition behind each record."""
    keys = records[["measure", "year", "released"]].drop_duplicates()
    names = {
        key: MEASURES[key[0]].regime_name(int(key[1]), int(key[2]))
        for key in keys.itertuples(index=False, name=None)
        if key[0] in MEASURES
    }
    rows = zip(records["measure"], records["year"], records["released"], strict=True)
    return pd.Series([names.get(row, "") for row in rows], index=records.index)


def regimes_by_measure(records: pd.DataFrame) -> dict[str, tuple[Regime, ...]]:
    """Spans of one definition of each measure, from the releases that its figures come from."""
    newest: dict[str, dict[int, int]] = {}
    for measure, year, released in zip(
        records["measure"], records["year"], records["released"], strict=True
    ):
        by_year = newest.setdefault(str(measure), {})
        by_year[int(year)] = max(int(released), by_year.get(int(year), 0))
    return {measure: MEASURES[measure].regimes_of(by_year) for measure, by_year in newest.items()}
