"""Editions of the English indices of deprivation, and the group ``/deprivation`` of a cube.

Which edition serves which year is a rule, and so is the way in which scores of joined authorities
become one: ``docs/decisions/deprivation-editions.md`` says why.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from data_prep import register
from data_prep.checks import PASS, WARNING, Finding
from data_prep.geography import Unit

SCORES = ("imd_score", "idaci_score")


@dataclass(frozen=True)
class Edition:
    """One edition of the indices.

    ``measured`` is the financial year in which most of its indicators were counted,
    ``authorities`` a financial year whose authorities its figures are for, ``statistic`` how the
    score of an authority was made from those of its small areas (LSOAs).
    """

    year: int
    measured: int
    authorities: int
    statistic: str


LSOA_MEAN = "mean over small areas (LSOAs), each alike"
POPULATION_MEAN = "population-weighted mean over small areas (LSOAs), as published"

# Sources: technical and statistical reports of each edition, which say that most indicators are of
# 2001, 2005, 2008, 2012/13, 2015/16 and 2022/23; a calendar year is placed by its August, in which
# benefits were counted.
EDITIONS = {
    edition.year: edition
    for edition in (
        Edition(2004, 2002, 2014, LSOA_MEAN),
        Edition(2007, 2006, 2014, LSOA_MEAN),
        Edition(2010, 2009, 2014, LSOA_MEAN),
        Edition(2015, 2013, 2014, POPULATION_MEAN),
        Edition(2019, 2016, 2020, POPULATION_MEAN),
        Edition(2025, 2023, 2025, POPULATION_MEAN),
    )
}

RULE = (
    "a year is served by the newest edition whose indicators were counted in that year or before; "
    "years before the first edition by the first"
)
JOINING = (
    "a unit of several authorities has the mean of their scores weighted by children aged 0-17 in "
    "the year nearest to the edition's indicators in which all of them have a population"
)


def edition_for(year: int, editions: Iterable[int] = EDITIONS) -> int:
    """The edition that serves a financial year.

    Parameters
    ----------
    year
        Financial year ending 31 March.
    editions
        Editions at hand; all known ones by default.

    Raises
    ------
    ValueError
        When ``editions`` is empty or holds one that is not known.
    """
    known = sorted(editions)
    unknown = [edition for edition in known if edition not in EDITIONS]
    if unknown or not known:
        raise ValueError(f"editions must be some of {list(EDITIONS)}, not {known}")
    past = [edition for edition in known if EDITIONS[edition].measured <= year]
    return past[-1] if past else known[0]


def build_deprivation_group(
    codes: Sequence[str] | np.ndarray, editions: Sequence[int], scores: Mapping[str, np.ndarray]
) -> xr.Dataset:
    """The group ``/deprivation`` of any cube, from scores (la, edition)."""
    return xr.Dataset(
        {
            "imd_score": (
                ("la", "edition"),
                scores["imd_score"],
                {"long_name": "Index of multiple deprivation, average score", "units": "score"},
            ),
            "idaci_score": (
                ("la", "edition"),
                scores["idaci_score"],
                {"long_name": "Income deprivation affecting children", "units": "share"},
            ),
        },
        coords={"la": np.array(codes), "edition": np.array(editions, dtype="int64")},
    )


def derive_deprivation(
    scores: pd.DataFrame, units: Sequence[Unit], years: Sequence[int], population: pd.DataFrame
) -> xr.Dataset:
    """The group ``/deprivation`` of published England: every edition at hand, by stable unit.

    Parameters
    ----------
    scores
        Scores by edition and authority (``sources.deprivation.SCORE_COLUMNS``).
    units
        Units of the window.
    years
        Years of the window; attribute ``edition_of_year`` of each score says which of the editions
        that hold this score serves which year.
    population
        Records (``schema.RECORD_COLUMNS``), one for each authority and year, of which those of
        ``population_0_17`` are used as weights.

    Returns
    -------
    Dataset
        ``imd_score`` and ``idaci_score`` (la, edition), NaN where :func:`check_deprivation` names
        the unit; no edition when there are no scores.
    """
    joined = _join_scores(scores, units, population)
    editions = sorted({edition for _, edition in joined})
    arrays = {
        name: np.array(
            [[joined[unit.code, edition].scores[name] for edition in editions] for unit in units],
            dtype=float,
        ).reshape(len(units), len(editions))
        for name in SCORES
    }
    group = build_deprivation_group([unit.code for unit in units], editions, arrays)
    statistics = "; ".join(f"{edition}: {EDITIONS[edition].statistic}" for edition in editions)
    sources = {
        int(edition): str(source)
        for edition, source in zip(scores["edition"], scores["source"], strict=True)
    }
    for name in SCORES:
        group[name].attrs |= {
            "definition": f"higher is more deprived; {statistics}",
            "joined": JOINING,
            "source": "; ".join(f"{edition}: {sources[edition]}" for edition in editions),
            "edition_rule": RULE,
            "edition_of_year": "; ".join(
                f"{year}: {edition}" for year, edition in _serving(scores, name, years).items()
            ),
        }
    return group


def check_deprivation(
    scores: pd.DataFrame, units: Sequence[Unit], years: Sequence[int], population: pd.DataFrame
) -> list[Finding]:
    """Units without a score and indices that no file holds, of each edition; one PASS when none.

    The parameters are those of :func:`derive_deprivation`.
    """
    found = list(_check(scores, units, years, population))
    return found or [Finding("deprivation", PASS, "nothing to report")]


def _serving(scores: pd.DataFrame, name: str, years: Iterable[int]) -> dict[int, int]:
    """Edition that serves each year, of those that hold the score; empty when none does."""
    held = {int(edition) for edition in scores.loc[scores[name].notna(), "edition"]}
    return {int(year): edition_for(year, held) for year in sorted(set(years))} if held else {}


def _check(
    scores: pd.DataFrame, units: Sequence[Unit], years: Sequence[int], population: pd.DataFrame
) -> Iterator[Finding]:
    if scores.empty:
        yield Finding(
            "deprivation",
            WARNING,
            "no edition of the indices is at hand",
            "models with deprivation cannot be fitted to this cube",
        )
        return
    serving = {name: _serving(scores, name, years) for name in SCORES}
    for name, of_year in serving.items():
        wrong = {year: used for year, used in of_year.items() if used != edition_for(year)}
        if wrong:
            yield Finding(
                "deprivation",
                WARNING,
                f"the edition that should serve these years does not hold {name}, or is not at "
                "hand: another one serves them",
                "fetch the missing edition, or keep to the other score",
                value="; ".join(
                    f"{year}: {used} for {edition_for(year)}" for year, used in wrong.items()
                ),
            )
    used_editions = {edition for of_year in serving.values() for edition in of_year.values()}
    for (code, edition), joined in _join_scores(scores, units, population).items():
        if joined.problem:
            yield Finding(
                "deprivation",
                WARNING,
                joined.problem,
                "the unit has no score in years that this edition serves"
                if edition in used_editions
                else "nothing need be done: no year of the window is served by this edition",
                str(scores.loc[scores["edition"] == edition, "source"].iloc[0]),
                next(unit.name for unit in units if unit.code == code),
                value=f"edition {edition}",
            )


@dataclass(frozen=True)
class _Joined:
    """Scores of one unit in one edition; ``problem`` says why they are NaN."""

    scores: Mapping[str, float]
    problem: str = ""


def _none(problem: str) -> _Joined:
    return _Joined(dict.fromkeys(SCORES, np.nan), problem)


def _join_scores(
    scores: pd.DataFrame, units: Sequence[Unit], population: pd.DataFrame
) -> dict[tuple[str, int], _Joined]:
    """Scores by unit code and edition."""
    children = _children(population)
    joined = {}
    for edition, rows in scores.groupby("edition"):
        number = int(str(edition))
        by_area = {
            register.latest_code(str(row.la_code)): {
                name: float(getattr(row, name)) for name in SCORES
            }
            for row in rows.itertuples()
        }
        for unit in units:
            joined[unit.code, number] = _join_unit(unit, by_area, children, EDITIONS[number])
    return joined


def _children(population: pd.DataFrame) -> dict[str, dict[int, float]]:
    """Children by area and year, where a number is known and not zero."""
    rows = population[(population["measure"] == "population_0_17") & (population["value"] > 0)]
    found: dict[str, dict[int, float]] = {}
    for code, year, value in zip(rows["la_code"], rows["year"], rows["value"], strict=True):
        found.setdefault(register.latest_code(str(code)), {})[int(year)] = float(value)
    return found


def _join_unit(
    unit: Unit,
    by_area: Mapping[str, Mapping[str, float]],
    children: Mapping[str, Mapping[int, float]],
    edition: Edition,
) -> _Joined:
    names = {register.latest_code(member.la_code): member.name for member in unit.members}
    areas = sorted(area for area in names if area in by_area)
    if not areas:
        return _none("the edition has no authority of this unit: it is for other boundaries")
    if not covers(unit, areas):
        had = ", ".join(names[area] for area in areas)
        return _none(f"the edition has only part of this unit: {had}")
    if len(areas) == 1:
        return _Joined(by_area[areas[0]])
    common = set.intersection(*(set(children.get(area, {})) for area in areas))
    if not common:
        return _none("no year in which all authorities of this unit have a population to weigh by")
    year = min(common, key=lambda year: (abs(year - edition.measured), year))
    weights = [children[area][year] for area in areas]
    return _Joined(
        {
            name: float(np.average([by_area[area][name] for area in areas], weights=weights))
            for name in SCORES
        }
    )


def covers(unit: Unit, areas: Iterable[str]) -> bool:
    """Whether these areas (newest codes) made up the whole unit in some year."""
    wanted = set(areas)
    return any(
        {register.latest_code(member.la_code) for member in unit.members_in(year)} == wanted
        for year in {member.from_year for member in unit.members}
    )
