"""Simulated England as a cube: draw everything, publish it as untidily as England does."""

import numpy as np
import xarray as xr

from data_prep.indicators import CIN, CLA, MEASURES, WORKFORCE
from data_prep.schema import (
    GRADES,
    SCHEMA_VERSION,
    SIMULATED,
    STATUS,
    cube_hash,
    derive_indicators,
    flag_attributes,
    measure_variables,
)
from data_prep.simulated.inspections import (
    derive_aftermath,
    draw_inspections,
    event_times,
    standardised_predictors,
)
from data_prep.simulated.national import (
    coverage_of,
    national_shares,
    publish_total,
    total_of_las,
    totals_without_las,
)
from data_prep.simulated.options import SimulationOptions
from data_prep.simulated.places import (
    DEPRIVATION_EDITIONS,
    NEIGHBOUR_EDITIONS,
    NEIGHBOUR_RANKS,
    Places,
    deprivation_z,
    draw_deprivation,
    draw_places,
    find_borders,
    find_statistical_neighbours,
)
from data_prep.simulated.processes import with_overrides
from data_prep.simulated.publication import (
    CONFIDENCE_MEASURES,
    Cells,
    collected_years,
    draw_confidence,
    draw_low_reliability,
    draw_missing_returns,
    draw_single_assessors,
    exists,
    publish_la_measure,
)
from data_prep.simulated.rates import draw_counts, draw_rates
from data_prep.simulated.shares import draw_parts, draw_shares, expected_parts
from data_prep.simulated.truth import Drawn, build_truth
from data_prep.simulated.workforce import draw_workforce

_SOURCES = ("ONS mid-year population estimates", CIN, CLA, WORKFORCE)
_NOTE = "The LAs are invented: no name, code or figure here belongs to a real authority."
_LIVE = 9999


def build_simulated(options: SimulationOptions | None = None) -> xr.DataTree:
    """Simulate a country and publish it as a cube.

    Parameters
    ----------
    options
        Size, window, effects and untidiness; the defaults when None.

    Returns
    -------
    xr.DataTree
        A cube with all groups of the contract but ``/boundaries``, and ``/truth``. The same options
        give the same cube, value by value.

    Notes
    -----
    ``docs/simulated_england.md`` gives the process in equations and the layout of ``/truth``.
    """
    options = options or SimulationOptions()
    places = draw_places(options)
    scores = draw_deprivation(options, places)
    la_years = np.arange(options.first_year, options.last_year + 1)
    years = np.concatenate([np.array(options.national_years, dtype=la_years.dtype), la_years])
    population = places.population(la_years)

    single = draw_single_assessors(options, la_years)
    missing = draw_missing_returns(options, la_years)
    drawn, workforce = _draw(options, places, scores, years, la_years, population, single)
    cells: dict[str, Cells] = {}
    published = {"population_0_17": population, **drawn.counts, **workforce}
    # Measures without a process of their own are left out.
    for name in (name for name in MEASURES if name in published):
        possible = exists(options, name, la_years, single)
        cells[name] = publish_la_measure(
            options, name, la_years, published[name], possible, missing
        )
    totals = _england_totals(options, drawn, workforce, cells, years)
    drawn.totals.update({name: totals[name] for name in drawn.counts})
    groups = {
        "/cube": _cube(options, places, la_years, cells, single),
        "/indicators": derive_indicators(cells),
        "/national": _national(options, years, totals),
        "/inspections": _inspections(drawn),
        "/deprivation": _deprivation(places, scores),
        "/neighbours": _neighbours(places, scores),
        "/adjacency": _adjacency(places),
        "/register": _register(places, years),
        "/provenance": _provenance(options, places, la_years, cells),
        "/truth": build_truth(options, drawn),
    }
    root = xr.Dataset(
        attrs={
            "title": f"Simulated England, years ending March {la_years[0]} to {la_years[-1]}",
            "kind": SIMULATED,
            "name": options.name,
            "schema_version": SCHEMA_VERSION,
            "note": _NOTE,
        }
    )
    tree = xr.DataTree.from_dict({"/": root, **groups}, name=options.name)
    # Models read the hash, so a cube that was never saved carries it too.
    tree.attrs["cube_hash"] = cube_hash(tree)
    return tree


def _draw(
    options: SimulationOptions,
    places: Places,
    scores: dict[str, np.ndarray],
    years: np.ndarray,
    la_years: np.ndarray,
    population: np.ndarray,
    single: np.ndarray,
) -> tuple[Drawn, dict[str, np.ndarray]]:
    """Draw what happens: shares and staff, inspections, then counts, which answer to both."""
    deprivation = deprivation_z(scores)
    rate_table, share_table = with_overrides(options.overrides)
    shares, timeliness = draw_shares(options, share_table, deprivation, years)
    workforce = draw_workforce(options, population, deprivation, la_years)
    predictors = standardised_predictors(
        timeliness.latent, shares["rereferrals"].latent, workforce.agency_share, deprivation
    )
    inspections = draw_inspections(options, predictors, la_years)
    event_time = event_times(inspections, options.las, la_years)
    rates = draw_rates(
        options,
        rate_table,
        places,
        deprivation,
        years,
        derive_aftermath(options, event_time),
    )
    counts = draw_parts(options, shares, draw_counts(options, rates, la_years), la_years)
    for name in counts:
        counts[name] = np.where(exists(options, name, la_years, single), counts[name], np.nan)
    mu = expected_parts(shares, {name: rate.mu for name, rate in rates.items()})
    drawn = Drawn(
        places=places,
        years=years,
        la_years=la_years,
        population=population,
        england=places.population(years).sum(axis=0),
        deprivation=deprivation,
        rates=rates,
        shares=shares,
        timeliness=timeliness,
        agency_share=workforce.agency_share,
        predictors=predictors,
        inspections=inspections,
        event_time=event_time,
        mu=mu,
        counts=counts,
        national_share=national_shares(shares, mu),
        totals={},
    )
    return drawn, workforce.values


def _england_totals(
    options: SimulationOptions,
    drawn: Drawn,
    workforce: dict[str, np.ndarray],
    cells: dict[str, Cells],
    years: np.ndarray,
) -> dict[str, np.ndarray]:
    """England's totals (N) of every measure before rounding; NaN where there is none."""
    window = slice(-drawn.la_years.size, None)
    earlier = years.size - drawn.la_years.size
    without = totals_without_las(
        options, drawn.rates, drawn.shares, drawn.national_share, drawn.england[:earlier]
    )
    totals = {"population_0_17": drawn.england}
    for name, count in drawn.counts.items():
        gone = cells[name].status == STATUS["not_available"]
        expected = drawn.mu[name][:, window]
        if name in drawn.rates:
            expected = expected * drawn.rates[name].multiplier[window]
        of_las = total_of_las(count, expected, gone)
        totals[name] = np.concatenate([without[name], of_las])
    for name, value in workforce.items():
        if name == "caseload":
            of_las = workforce["cases"].sum(axis=0) / workforce["case_holders"].sum(axis=0)
        else:
            of_las = value.sum(axis=0)
        totals[name] = np.concatenate([np.full(earlier, np.nan), of_las])
    return {
        name: np.where(collected_years(options, name, years, national=True), total, np.nan)
        for name, total in totals.items()
    }


def _cube(
    options: SimulationOptions,
    places: Places,
    la_years: np.ndarray,
    cells: dict[str, Cells],
    single: np.ndarray,
) -> xr.Dataset:
    variables: dict[str, xr.DataArray] = {}
    for name, cell in cells.items():
        rated = name in CONFIDENCE_MEASURES
        variables |= measure_variables(
            name,
            ("la", "year"),
            value=cell.value,
            lower=cell.lower,
            upper=cell.upper,
            status=cell.status,
            low_reliability=draw_low_reliability(options, name, la_years, cell),
            confidence=draw_confidence(options, name, la_years, cell, single) if rated else None,
        )
    return xr.Dataset(
        variables,
        coords={
            "la": ("la", places.code, {"long_name": "Invented code of the authority"}),
            "year": ("year", la_years, {"long_name": "Financial year ending 31 March"}),
            "la_name": ("la", places.name),
            "region": ("la", places.region),
            "la_type": ("la", places.la_type),
        },
    )


def _national(
    options: SimulationOptions, years: np.ndarray, totals: dict[str, np.ndarray]
) -> xr.Dataset:
    variables: dict[str, xr.DataArray] = {}
    for name in (name for name in MEASURES if name in totals):
        cell = publish_total(options, name, years, totals[name])
        own = measure_variables(
            name,
            ("year",),
            value=cell.value,
            lower=cell.lower,
            upper=cell.upper,
            status=cell.status,
        )
        own[name].attrs["coverage"] = coverage_of(name)
        variables |= own
    return xr.Dataset(
        variables, coords={"year": ("year", years, {"long_name": "Financial year ending 31 March"})}
    )


def _inspections(drawn: Drawn) -> xr.Dataset:
    seen = drawn.inspections
    # netCDF gives dates back in nanoseconds; another resolution would change the hash.
    published = seen.published.astype("datetime64[ns]")
    inspected = seen.inspected.astype("datetime64[ns]")
    inspected = np.where(seen.date_known, inspected, np.datetime64("NaT", "ns"))
    return xr.Dataset(
        {
            "la": ("inspection", drawn.places.code[seen.la], {"long_name": "Authority"}),
            "framework": ("inspection", seen.framework, {"long_name": "Framework"}),
            "grade": (
                "inspection",
                seen.grade,
                flag_attributes(GRADES, "Overall effectiveness; SLAC: safeguarding effectiveness"),
            ),
            "publication_date": ("inspection", published, {"long_name": "Report published"}),
            "inspection_date": ("inspection", inspected, {"long_name": "Inspection began"}),
            "reinspection": ("inspection", seen.reinspection, {"long_name": "Re-inspection"}),
        }
    )


def _deprivation(places: Places, scores: dict[str, np.ndarray]) -> xr.Dataset:
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
        coords={"la": places.code, "edition": np.array(DEPRIVATION_EDITIONS)},
    )


def _neighbours(places: Places, scores: dict[str, np.ndarray]) -> xr.Dataset:
    return xr.Dataset(
        {
            "neighbour": (
                ("la", "rank", "edition"),
                find_statistical_neighbours(places, scores),
                {"long_name": "Statistical neighbour, most similar first"},
            )
        },
        coords={
            "la": places.code,
            "rank": np.arange(1, NEIGHBOUR_RANKS + 1),
            "edition": np.array(NEIGHBOUR_EDITIONS),
        },
    )


def _adjacency(places: Places) -> xr.Dataset:
    first, second = find_borders(places)
    return xr.Dataset(
        {"la_from": ("edge", places.code[first]), "la_to": ("edge", places.code[second])}
    )


def _register(places: Places, years: np.ndarray) -> xr.Dataset:
    las = places.code.size
    return xr.Dataset(
        {
            "unit": ("member", places.code),
            "member_code": ("member", places.code),
            "member_name": ("member", places.name),
            "from_year": ("member", np.full(las, years.min())),
            "to_year": ("member", np.full(las, _LIVE)),
        }
    )


def _provenance(
    options: SimulationOptions, places: Places, la_years: np.ndarray, cells: dict[str, Cells]
) -> xr.Dataset:
    variables: dict[str, tuple] = {}
    for name, cell in cells.items():
        source = _SOURCES.index(MEASURES[name].source)
        spoken = cell.status != STATUS["not_collected"]
        variables[name] = (("la", "year"), np.where(spoken, source, -1).astype("int32"))
    variables["source_file"] = ("source", np.array([f"simulated: {name}" for name in _SOURCES]))
    variables["release"] = ("source", np.array([f"seed {options.seed}"] * len(_SOURCES)))
    return xr.Dataset(variables, coords={"la": places.code, "year": la_years})
