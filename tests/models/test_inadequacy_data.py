"""Inspections and the figures beside them: timing, scales, what is missing, what is refused."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from data_prep.errors import DataError
from data_prep.schema import STATUS
from data_prep.simulated import SimulationOptions, build_simulated
from models.inadequacy import SPEC, InadequacyOptions
from models.inadequacy_data import (
    InadequacyObservations,
    financial_year,
    newest_out,
)

YEARS = (2011, 2014)
IA, RE, AGENCY = "ia_10_days_share", "rereferral_share", "agency_share"


@pytest.fixture(scope="module")
def world() -> xr.DataTree:
    """40 simulated LAs, 2008-2014, with agency rates in every year."""
    return build_simulated(SimulationOptions(seed=8, las=40, first_year=2008))


def observe(
    cube: xr.DataTree, *, years: Any = YEARS, exclude: Any = (), **options: Any
) -> InadequacyObservations:
    return SPEC.observe(cube, InadequacyOptions(**options), years=years, exclude=exclude)


def edited(cube: xr.DataTree, change: Any, name: str = "rereferrals") -> xr.DataTree:
    """The cube with other bounds of one measure: ``change`` works on (value, lower, upper)."""
    copy = cube.copy(deep=True)
    table = copy["cube"].to_dataset()
    values = [table[name + end].to_numpy().copy() for end in ("", "_lower", "_upper")]
    for end, value in zip(("", "_lower", "_upper"), change(*values), strict=True):
        table[name + end] = table[name + end].copy(data=value)
    status = np.where(np.isnan(values[0]), STATUS["not_available"], STATUS["exact"])
    table[f"{name}_status"] = table[f"{name}_status"].copy(data=status.astype("int8"))
    copy["cube"] = xr.DataTree(table)
    return copy


def judged(cube: xr.DataTree, grade: Any) -> xr.DataTree:
    """The cube with other grades."""
    copy = cube.copy(deep=True)
    group = copy["inspections"].to_dataset()
    group["grade"] = group["grade"].copy(data=np.asarray(grade(group), "int8"))
    copy["inspections"] = xr.DataTree(group)
    return copy


def test_financial_years_and_releases() -> None:
    dates = pd.Series(pd.to_datetime(["2012-03-31", "2012-04-01", "2012-11-29", "2012-12-01"]))
    assert financial_year(dates).tolist() == [2012, 2013, 2013, 2013]
    # Children in need: the year ending March 2012 is out by the end of November 2012.
    assert newest_out(dates, 8).tolist() == [2011, 2011, 2011, 2012]
    # Workforce: counted in September, out before the year ends.
    assert newest_out(dates, 0).tolist() == [2011, 2012, 2012, 2012]


def test_every_inspection_is_fitted_scored_or_dropped_with_a_reason(world: xr.DataTree) -> None:
    for more in ({}, {"train_until": "2012-12-31"}, {"reinspections": "included"}):
        seen = observe(world, **more)
        total = len(seen.inspections) + len(seen.later) + len(seen.dropped)
        assert total == world["inspections"].sizes["inspection"]
        assert (seen.dropped["reason"] != "").all()


@pytest.mark.parametrize(
    ("timing", "lags"), [("same_year", [0]), ("year_before", [1]), ("mean_of_earlier", [1, 2, 3])]
)
def test_figures_are_those_of_the_year_that_timing_names(
    world: xr.DataTree, timing: str, lags: list[int]
) -> None:
    seen = observe(world, timing=timing, predictors=(RE,), deprivation="none")
    table = world["cube"].to_dataset()
    part, whole = (table[name].to_pandas() for name in ("rereferrals", "referrals"))
    log_odds = np.log((part + 0.5) / (whole - part + 0.5))
    (scale,) = seen.scales
    checked = 0
    for n, row in enumerate(seen.inspections.itertuples()):
        expected = np.mean([log_odds.loc[row.la, row.year - lag] for lag in lags])
        if np.isfinite(expected):
            assert seen.figures.values[n, 0] == pytest.approx((expected - scale.mean) / scale.sd)
            checked += 1
    assert checked > 20


def test_rates_enter_as_logs_and_back(world: xr.DataTree) -> None:
    seen = observe(world, predictors=("section47_rate",), deprivation="none")
    (scale,) = seen.scales
    table = world["cube"].to_dataset()
    rate = 10_000 * (table["section47"] + 0.5) / table["population_0_17"]
    row = seen.inspections.iloc[3]
    expected = float(rate.sel(la=row["la"], year=row["year"] - 1))
    assert scale.natural(float(seen.figures.values[3, 0])) == pytest.approx(expected)


def test_unknown_dates_are_so_many_weeks_before_the_report(world: xr.DataTree) -> None:
    for weeks in (4, 8, 12):
        seen = observe(world, weeks_before_publication=weeks)
        rows = seen.inspections[~seen.inspections["began_known"]]
        assert len(rows)
        assert ((rows["published"] - rows["began"]).dt.days == 7 * weeks).all()


def test_training_ends_with_publication_and_scoring_starts_with_the_visit(
    world: xr.DataTree,
) -> None:
    date = pd.Timestamp("2012-12-31")
    seen = observe(world, train_until="2012-12-31")
    assert (seen.inspections["published"] <= date).all()
    assert (seen.later["began"] > date).all()
    assert len(seen.later) > 3
    under_way = seen.dropped["reason"].str.startswith("begun but not published")
    assert under_way.any()


def test_nothing_of_later_inspections_enters_the_scale(world: xr.DataTree) -> None:
    """Figures that only later inspections read may be anything: the fit sees the same."""
    options = {"train_until": "2012-12-31", "predictors": (RE,), "scored_figures": "as_timed"}
    plain = observe(world, **options)
    read = {
        (row.la, int(year))
        for row, year in zip(plain.inspections.itertuples(), plain.figures.year[:, 0], strict=True)
    }
    table = world["cube"].to_dataset()
    spared = np.array(
        [[(la, int(year)) in read for year in table["year"].values] for la in table["la"].values]
    )

    def change(*values: np.ndarray) -> list[np.ndarray]:
        return [np.where(spared, value, np.round(value / 3)) for value in values]

    other = observe(edited(world, change), **options)
    assert other.scales == plain.scales
    assert (other.figures.lower == plain.figures.lower).all()
    pd.testing.assert_frame_equal(other.typical, plain.typical)
    assert not np.allclose(other.later_figures.values, plain.later_figures.values)


def test_scored_inspections_read_figures_that_were_out(world: xr.DataTree) -> None:
    options = {"train_until": "2012-12-31", "predictors": (RE,)}
    strict = observe(world, **options)
    out = newest_out(strict.later["began"], 8)
    assert (strict.later_figures.year[:, 0] <= out).all()
    loose = observe(world, scored_figures="as_timed", **options)
    assert (loose.later_figures.year[:, 0] == loose.later["year"] - 1).all()
    assert (loose.later_figures.year[:, 0] > out).any()


def test_suppressed_figures_are_bounds_and_missing_ones_are_open(world: xr.DataTree) -> None:
    def change(value: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> list[np.ndarray]:
        value[:3], lower[:3], upper[:3] = np.nan, 1, 5
        value[3:6], lower[3:6], upper[3:6] = np.nan, np.nan, np.nan
        return [value, lower, upper]

    seen = observe(edited(world, change), predictors=(RE,), deprivation="none")
    codes = world["cube"].to_dataset()["la"].values
    position = {str(code): n for n, code in enumerate(codes)}
    places = seen.inspections["la"].map(position).to_numpy()
    # One more was suppressed by the simulation itself.
    assert set(places[places < 3]) <= {int(places[row]) for row, _ in seen.figures.hidden}
    gone = (places >= 3) & (places < 6)
    assert set(places[gone]) <= {int(places[row]) for row, _ in seen.figures.missing}
    assert (seen.figures.values[~seen.figures.known] == 0).all()
    assert seen.figures.known.mean() >= 0.7


def test_the_index_is_the_newest_that_was_out(world: xr.DataTree) -> None:
    assert observe(world).deprivation_edition == 2010
    assert observe(world, years=(2010, 2014), predictors=()).deprivation_edition == 2007


def test_figures_left_out_by_a_rule_are_missing(world: xr.DataTree) -> None:
    plain = observe(world, predictors=(RE,), deprivation="none")
    copy = world.copy(deep=True)
    table = copy["cube"].to_dataset()
    reasons = np.full((table.sizes["la"], table.sizes["year"]), "", "<U40")
    reasons[:4] = "left out, confidence low"
    copy["cube"] = xr.DataTree(table.assign(rereferrals_left_out=(("la", "year"), reasons)))
    seen = observe(copy, predictors=(RE,), deprivation="none")
    chosen = seen.inspections["la"].isin(table["la"].values[:4].astype(str)).to_numpy()
    assert chosen.any()
    assert (~seen.figures.known[chosen]).all()
    assert (seen.figures.known[~chosen] == plain.figures.known[~chosen]).all()


def test_without_a_score_of_deprivation_an_inspection_is_dropped(world: xr.DataTree) -> None:
    la = str(observe(world).inspections["la"].iloc[0])
    copy = world.copy(deep=True)
    group = copy["deprivation"].to_dataset()
    group["imd_score"] = group["imd_score"].where(group["la"] != la)
    copy["deprivation"] = xr.DataTree(group)
    seen = observe(copy)
    assert la not in set(seen.inspections["la"])
    assert "deprivation: not known" in set(seen.dropped.loc[seen.dropped["la"] == la, "reason"])
    assert seen.figures.known[:, -1].all()
    assert la in set(observe(copy, deprivation="none").inspections["la"])


def test_the_latest_year_has_figures_of_most(world: xr.DataTree) -> None:
    assert observe(world, predictors=(RE,)).latest_year == 2014
    seen = observe(world, timing="same_year", predictors=(RE,))
    assert (seen.latest_figures.year[:, 0] == 2014).all()
    # Initial assessments end: most authorities have none left in the last year.
    assert observe(world, predictors=(IA,)).latest_year in (2013, 2014)


# -------------------------------------------------------------------------------- refusals


def refused(cube: xr.DataTree, match: str, **more: Any) -> None:
    with pytest.raises(DataError, match=match):
        observe(cube, **more)


def test_too_little_of_a_predictor_is_refused_with_name_framework_and_share(
    world: xr.DataTree,
) -> None:
    def change(*values: np.ndarray) -> list[np.ndarray]:
        for value in values:
            value[:] = np.nan
        return list(values)

    gone = edited(world, change, "agency_workers")
    with pytest.raises(DataError) as error:
        observe(gone, predictors=(RE, AGENCY))
    faults = error.value.faults
    assert {fault.value for fault in faults} == {AGENCY}
    assert len(faults) == 2
    for fault, framework in zip(faults, ("SLAC", "CPI"), strict=True):
        assert f"not measurable under {framework}: known for 0%" in fault.problem

    def half(value: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> list[np.ndarray]:
        for array in (value, lower, upper):
            array[::2] = np.nan
        return [value, lower, upper]

    refused(edited(world, half), "70% are needed", predictors=(RE,))


def test_no_event_and_nothing_but_events_are_refused(world: xr.DataTree) -> None:
    refused(judged(world, lambda g: np.full(g.sizes["inspection"], 2)), "prior's alone")
    refused(judged(world, lambda g: np.zeros(g.sizes["inspection"])), "nothing to tell apart")


def test_what_cannot_be_asked_is_refused(world: xr.DataTree) -> None:
    refused(world, "no inspection is left", years=(2008, 2008))
    refused(world, "no inspection in these years began after", train_until="2031-01-01")
    refused(world, "nothing to predict from", predictors=(), deprivation="none")
    refused(world, "no such local authority", exclude=("E99999999",))
    refused(world, "no such indicator", predictors=("cin_ended_2_years_share",))
    bare = world.copy(deep=True)
    del bare["inspections"]
    refused(bare, "no inspections")


def test_the_same_figure_everywhere_teaches_nothing(world: xr.DataTree) -> None:
    table = world["cube"].to_dataset()

    def change(*values: np.ndarray) -> list[np.ndarray]:
        return [np.zeros_like(value) for value in values]

    base = edited(world, lambda *v: [np.full_like(x, 1000.0) for x in v], "referrals")
    assert table["referrals"].notnull().any()
    refused(edited(base, change), "the same figure at every inspection", predictors=(RE,))


def test_options_are_closed_sets() -> None:
    for wrong in (
        {"predictors": "agency_share, nonsense"},
        {"predictors": "agency_share,agency_share"},
        {"frameworks": "OFSTED"},
        {"train_until": "next year"},
        {"weeks_before_publication": 6},
    ):
        with pytest.raises(ValueError, match="validation error"):
            InadequacyOptions(**wrong)
