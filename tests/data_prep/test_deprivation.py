"""Editions, the rule which serves which year, and scores of joined authorities."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from data_prep import geography, register
from data_prep.checks import PASS, WARNING
from data_prep.deprivation import EDITIONS, check_deprivation, derive_deprivation, edition_for
from data_prep.simulated.build import build_simulated
from data_prep.simulated.options import SimulationOptions
from data_prep.simulated.places import DEPRIVATION_EDITIONS, DRIVING_EDITION
from data_prep.sources.deprivation import SCORE_COLUMNS


def scores(edition: int, values: dict[str, float], idaci: bool = True) -> pd.DataFrame:
    rows = [
        (edition, code, value, value / 100 if idaci else np.nan, f"imd-{edition}")
        for code, value in values.items()
    ]
    return pd.DataFrame(rows, columns=list(SCORE_COLUMNS))


def whole(edition: int, value: float = 20.0) -> pd.DataFrame:
    authorities = register.authorities_in(EDITIONS[edition].authorities)
    return scores(edition, {authority.la_code: value for authority in authorities})


def children(values: dict[tuple[str, int], float]) -> pd.DataFrame:
    rows = [(code, year, "population_0_17", value) for (code, year), value in values.items()]
    return pd.DataFrame(rows, columns=["la_code", "year", "measure", "value"])


NOBODY = children({})


@pytest.mark.parametrize(
    ("year", "edition"),
    [
        (2001, 2004),
        (2005, 2004),
        (2006, 2007),
        (2008, 2007),
        (2009, 2010),
        (2012, 2010),
        (2013, 2015),
        (2015, 2015),
        (2016, 2019),
        (2022, 2019),
        (2023, 2025),
    ],
)
def test_each_year_has_its_edition(year: int, edition: int) -> None:
    assert edition_for(year) == edition


@given(
    year=st.integers(1990, 2040),
    editions=st.sets(st.sampled_from(sorted(EDITIONS)), min_size=1),
)
def test_no_edition_is_of_a_later_year_unless_it_is_the_first(
    year: int, editions: set[int]
) -> None:
    chosen = edition_for(year, editions)
    assert chosen in editions
    assert EDITIONS[chosen].measured <= year or chosen == min(editions)
    assert edition_for(year + 1, editions) >= chosen
    newer = [e for e in editions if EDITIONS[chosen].measured < EDITIONS[e].measured <= year]
    assert not newer


@pytest.mark.parametrize("editions", [(), (2014,), (2015, 1999)])
def test_unknown_editions_are_refused(editions: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="editions must be some of"):
        edition_for(2010, editions)


def test_the_simulated_country_is_driven_by_the_edition_of_its_middle_year() -> None:
    assert edition_for(2012, DEPRIVATION_EDITIONS) == DRIVING_EDITION


def test_published_and_simulated_groups_are_alike() -> None:
    units = geography.stable_units(2010, 2014)
    published = derive_deprivation(whole(2015), units, range(2010, 2015), NOBODY)
    tree = build_simulated(SimulationOptions(las=12, first_year=2012, last_year=2012))
    simulated = tree["deprivation"].to_dataset()
    assert set(published.variables) == set(simulated.variables)
    for name, variable in simulated.variables.items():
        assert published[name].dims == variable.dims
        assert published[name].dtype == variable.dtype
        assert published[name].attrs.items() >= variable.attrs.items()


def test_newest_codes_take_scores_printed_under_older_ones() -> None:
    units = geography.stable_units(2010, 2014)
    printed = scores(2015, {"E06000057": 21.7, "E08000037": 33.0, "E10000002": 10.1})
    group = derive_deprivation(printed, units, [2014], NOBODY)
    by_unit = group["imd_score"].sel(edition=2015).to_series()
    assert by_unit["E06000057"] == 21.7
    assert by_unit["E06000060"] == 10.1
    older = derive_deprivation(scores(2015, {"E06000048": 21.7}), units, [2014], NOBODY)
    assert older["imd_score"].sel(la="E06000057", edition=2015) == 21.7


DORSET = {"E06000028": 22.0, "E06000029": 16.0, "E10000009": 14.0}
WEIGHTS = {"E06000028": 34_000.0, "E06000029": 30_000.0, "E10000009": 77_000.0}


def test_a_joined_unit_has_the_mean_weighted_by_children() -> None:
    units = geography.stable_units(2012, 2022)
    at_2013 = {(code, 2013): value for code, value in WEIGHTS.items()}
    at_2014 = {(code, 2014): 1.0 for code in WEIGHTS}
    group = derive_deprivation(
        scores(2015, DORSET), units, [2013], children({**at_2013, **at_2014})
    )
    expected = sum(DORSET[code] * WEIGHTS[code] for code in DORSET) / sum(WEIGHTS.values())
    found = group.sel(la="J06000028", edition=2015)
    assert found["imd_score"].item() == pytest.approx(expected)
    assert found["idaci_score"].item() == pytest.approx(expected / 100)
    assert "weighted by children" in group["imd_score"].attrs["joined"]


@given(
    values=st.lists(st.floats(1, 90), min_size=3, max_size=3),
    weights=st.lists(st.integers(1, 200_000), min_size=3, max_size=3),
)
def test_a_joined_score_lies_between_those_of_its_parts(
    values: list[float], weights: list[int]
) -> None:
    units = [unit for unit in geography.stable_units(2015, 2020) if unit.code == "J06000028"]
    printed = scores(2015, dict(zip(DORSET, values, strict=True)))
    people = children({(c, 2015): float(w) for c, w in zip(DORSET, weights, strict=True)})
    group = derive_deprivation(printed, units, [2015], people)
    joined = group["imd_score"].item()
    assert min(values) - 1e-9 <= joined <= max(values) + 1e-9


@pytest.mark.parametrize(
    ("window", "printed", "people", "unit", "problem"),
    [
        # The edition of 2019 is for the boundaries of April 2019.
        ((2010, 2014), whole(2019), NOBODY, "E10000009", "other boundaries"),
        # The edition of 2015 is for those before.
        ((2020, 2022), whole(2015), NOBODY, "E06000059", "other boundaries"),
        ((2012, 2022), scores(2015, {"E06000028": 22.0}), NOBODY, "J06000028", "only part"),
        ((2012, 2022), scores(2015, DORSET), NOBODY, "J06000028", "population to weigh by"),
        (
            (2012, 2022),
            scores(2015, DORSET),
            children({("E06000028", 2013): 1.0, ("E06000029", 2014): 1.0}),
            "J06000028",
            "population to weigh by",
        ),
    ],
)
def test_a_unit_without_a_score_is_missing_and_named(
    window: tuple[int, int], printed: pd.DataFrame, people: pd.DataFrame, unit: str, problem: str
) -> None:
    units = [u for u in geography.stable_units(*window) if u.code == unit]
    group = derive_deprivation(printed, units, range(window[0], window[1] + 1), people)
    assert np.isnan(group["imd_score"].item())
    assert np.isnan(group["idaci_score"].item())
    findings = check_deprivation(printed, units, range(window[0], window[1] + 1), people)
    assert [f for f in findings if f.la == units[0].name and problem in f.problem]


def test_an_index_that_an_edition_lacks_is_served_by_another_and_named() -> None:
    units = geography.stable_units(2010, 2014)
    printed = pd.concat([scores(2010, {"E06000001": 30.0}, idaci=False), whole(2015)])
    group = derive_deprivation(printed, units, range(2010, 2014), NOBODY)
    assert (
        group["imd_score"].attrs["edition_of_year"]
        == "2010: 2010; 2011: 2010; 2012: 2010; 2013: 2015"
    )
    assert group["idaci_score"].attrs["edition_of_year"].startswith("2010: 2015")
    assert np.isnan(group["idaci_score"].sel(edition=2010)).all()
    findings = check_deprivation(printed, units, range(2010, 2014), NOBODY)
    (named,) = [finding for finding in findings if "idaci_score" in finding.problem]
    assert named.level == WARNING
    assert named.value == "2010: 2015 for 2010; 2011: 2015 for 2010; 2012: 2015 for 2010"


def test_without_files_there_is_no_edition() -> None:
    units = geography.stable_units(2010, 2014)
    group = derive_deprivation(scores(2015, {}), units, [2010], NOBODY)
    assert dict(group.sizes) == {"la": 152, "edition": 0}
    (finding,) = check_deprivation(scores(2015, {}), units, [2010], NOBODY)
    assert finding.level == WARNING


def test_nothing_to_report_is_a_pass() -> None:
    units = geography.stable_units(2013, 2014)
    (finding,) = check_deprivation(whole(2015), units, [2013, 2014], NOBODY)
    assert finding.level == PASS


def test_the_group_survives_a_file(tmp_path) -> None:
    units = geography.stable_units(2010, 2014)
    group = derive_deprivation(whole(2015), units, range(2010, 2015), NOBODY)
    group.to_netcdf(tmp_path / "group.nc")
    with xr.open_dataset(tmp_path / "group.nc") as back:
        xr.testing.assert_identical(back.load(), group)
