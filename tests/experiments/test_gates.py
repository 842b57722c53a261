"""Gates: each at its limit, the worst place named, nothing passed unseen, broken fits flagged."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import pymc as pm
import pytest
import xarray as xr

from experiments.config import GateLimits, SamplerConfig
from experiments.diagnostics import diagnose, summarise
from experiments.gates import Gate, is_reportable, judge_computation, loosened
from models.spec import Block, Estimand, NotEstimable

LIMITS = GateLimits()
NAMES = ("r_hat", "ess_bulk", "ess_tail", "divergences", "tree_depth_hits", "e_bfmi")


def diagnostics(**columns: object) -> pd.DataFrame:
    table = {
        "variable": ["level_sd", "level", "level"],
        "block": "x",
        "coordinate": ["", "la=E1", "la=E2"],
        "r_hat": [1.0, 1.001, 1.0],
        "ess_bulk": [900.0, 1000.0, 1100.0],
        "ess_tail": [900.0, 1000.0, 1100.0],
        "mcse_mean": 0.1,
    }
    return pd.DataFrame(table | columns)


def estimands(**columns: object) -> pd.DataFrame:
    table = {
        "estimand": ["rate", "rate", "share", "gone"],
        "mean": [1.0, 2.0, 0.3, np.nan],
        "sd": [1.0, 1.0, np.nan, np.nan],
        "interval": ["90%", "90%", None, None],
        "ess_bulk": [1000.0, 1000.0, np.nan, np.nan],
        "ess_tail": [1000.0, 1000.0, np.nan, np.nan],
        "r_hat": [1.0, 1.0, np.nan, np.nan],
        "year": pd.array([2013, 2014, None, None], dtype="Int64"),
    }
    return pd.DataFrame(table | columns)


def statistics(chains: int = 3, draws: int = 200, **changed: np.ndarray) -> xr.Dataset:
    rng = np.random.default_rng(1)
    values = {
        "diverging": np.zeros((chains, draws), bool),
        "reached_max_treedepth": np.zeros((chains, draws), bool),
        "energy": rng.normal(size=(chains, draws)),
    }
    return xr.Dataset({k: (("chain", "draw"), v) for k, v in (values | changed).items()})


def judge(
    parameters: pd.DataFrame | None = None,
    answers: pd.DataFrame | None = None,
    stats: xr.Dataset | None = None,
    limits: GateLimits = LIMITS,
) -> Mapping[str, Gate]:
    gates = judge_computation(
        diagnostics() if parameters is None else parameters,
        estimands() if answers is None else answers,
        statistics() if stats is None else stats,
        limits,
    )
    assert tuple(gate.name for gate in gates) == NAMES
    assert all(gate.blocking for gate in gates)
    return {gate.name: gate for gate in gates}


def test_a_sound_fit_passes_every_gate() -> None:
    gates = judge()
    assert {gate.status for gate in gates.values()} == {"pass"}
    assert is_reportable(list(gates.values()))


# -------------------------------------------------------------------------------- the limits


@pytest.mark.parametrize(
    ("name", "value", "status"),
    [
        ("r_hat", 1.0099, "pass"),
        ("r_hat", 1.01, "fail"),
        ("r_hat", np.inf, "fail"),
        ("ess_bulk", 400.0, "pass"),
        ("ess_bulk", 399.9, "fail"),
        ("ess_tail", 400.0, "pass"),
        ("ess_tail", 399.9, "fail"),
    ],
)
def test_convergence_at_the_limit_names_the_worst_parameter(
    name: str, value: float, status: str
) -> None:
    table = diagnostics()
    table.loc[2, name] = value
    gates = judge(table)
    assert gates[name].status == status
    assert (gates[name].value, gates[name].where) == (value, "level[la=E2]")
    assert is_reportable(list(gates.values())) == (status == "pass")


@pytest.mark.parametrize(("name", "value"), [("r_hat", 1.2), ("ess_bulk", 3.0), ("ess_tail", 3.0)])
def test_an_estimand_can_be_the_worst(name: str, value: float) -> None:
    table = estimands()
    table.loc[1, name] = value
    gate = judge(answers=table)[name]
    assert (gate.status, gate.value) == ("fail", value)
    assert gate.where == "estimand rate[year=2014]"


@pytest.mark.parametrize(
    ("name", "variable", "limit"),
    [
        ("divergences", "diverging", "divergences"),
        ("tree_depth_hits", "reached_max_treedepth", "tree_depth_hits"),
    ],
)
def test_counts_at_the_limit_name_their_chains(name: str, variable: str, limit: str) -> None:
    hits = np.zeros((3, 200), bool)
    hits[1, :2] = hits[2, 5] = True
    stats = statistics(**{variable: hits})
    gate = judge(stats=stats)[name]
    assert (gate.status, gate.value, gate.where) == ("fail", 3, "chains 1: 2, 2: 1")
    assert judge(stats=stats, limits=GateLimits(**{limit: 3}))[name].status == "pass"
    assert judge(stats=stats, limits=GateLimits(**{limit: 2}))[name].status == "fail"


def test_energy_fraction_is_that_of_the_worst_chain() -> None:
    rng = np.random.default_rng(2)
    energy = rng.normal(size=(3, 200))
    energy[1] = np.cumsum(energy[1])
    gate = judge(stats=statistics(energy=energy))["e_bfmi"]
    expected = np.mean(np.diff(energy[1]) ** 2) / np.var(energy[1])
    assert (gate.status, gate.where) == ("fail", "chain 1")
    assert gate.value == pytest.approx(expected)
    stats = statistics(energy=energy)
    assert judge(stats=stats, limits=GateLimits(e_bfmi=gate.value))["e_bfmi"].status == "pass"


# ---------------------------------------------------------------- absent evidence is no pass


@pytest.mark.parametrize("name", ["r_hat", "ess_bulk", "ess_tail"])
def test_a_parameter_without_a_diagnostic_is_not_assessed(name: str) -> None:
    table = diagnostics()
    table.loc[1, name] = np.nan
    gates = judge(table)
    assert (gates[name].status, gates[name].value) == ("not assessed", None)
    assert gates[name].where == "level[la=E1]"
    assert not is_reportable(list(gates.values()))


def test_an_estimand_whose_draws_are_not_numbers_is_not_assessed() -> None:
    rng = np.random.default_rng(3)
    draws = rng.normal(size=(2, 300))
    draws[0, 0] = np.nan
    declared = [Estimand("rate", "Rate", "", "", ""), Estimand("gone", "Gone", "", "", "")]
    table = summarise(
        {"rate": xr.DataArray(draws, dims=("chain", "draw"))},
        declared,
        [NotEstimable("gone", "no figures")],
    )
    gate = judge(answers=table)["r_hat"]
    assert (gate.status, gate.where) == ("not assessed", "estimand rate")


def test_a_rank_that_never_changes_has_nothing_to_converge() -> None:
    table = estimands()
    table.loc[0, ["sd", "r_hat", "ess_bulk", "ess_tail"]] = [0.0, np.nan, np.nan, np.nan]
    assert judge(answers=table)["r_hat"].status == "pass"


def test_nothing_sampled_is_not_assessed() -> None:
    gates = judge(diagnostics().iloc[:0], estimands().iloc[:0])
    assert [gates[name].status for name in NAMES[:3]] == ["not assessed"] * 3


@pytest.mark.parametrize(
    ("name", "variable"),
    [
        ("divergences", "diverging"),
        ("tree_depth_hits", "reached_max_treedepth"),
        ("e_bfmi", "energy"),
    ],
)
def test_a_statistic_that_the_sampler_did_not_give_is_not_assessed(
    name: str, variable: str
) -> None:
    gates = judge(stats=statistics().drop_vars(variable))
    assert (gates[name].status, gates[name].value) == ("not assessed", None)
    assert not is_reportable(list(gates.values()))


@pytest.mark.parametrize("fill", [5.0, np.nan, np.inf])
def test_energy_that_does_not_vary_is_not_assessed(fill: float) -> None:
    energy = np.random.default_rng(4).normal(size=(3, 200))
    energy[2] = fill
    assert judge(stats=statistics(energy=energy))["e_bfmi"].status == "not assessed"


# --------------------------------------------------------------------------- loosened limits


def test_only_looser_limits_are_reported() -> None:
    assert loosened(LIMITS) == []
    looser = GateLimits(r_hat=1.05, ess=100, divergences=1, tree_depth_hits=1, e_bfmi=0.2)
    assert loosened(looser) == list(GateLimits.model_fields)
    assert loosened(GateLimits(r_hat=1.005, ess=800, e_bfmi=0.5)) == []


# ------------------------------------------------------------------- fits broken on purpose


def test_chains_stuck_in_two_modes_fail() -> None:
    """Each chain is perfect within its mode; only their comparison shows that they never mixed."""
    rng = np.random.default_rng(5)
    draws = rng.normal(size=(4, 1000)) + np.array([[-5.0], [5.0], [-5.0], [5.0]])
    posterior = xr.Dataset({"weight": (("chain", "draw"), draws)})
    table = diagnose(posterior, [], ["weight"])
    answers = summarise({"rate": posterior["weight"]}, [Estimand("rate", "Rate", "", "", "")])
    gates = judge(table, answers)
    assert {gates[name].status for name in ("r_hat", "ess_bulk")} == {"fail"}
    assert gates["r_hat"].value is not None
    assert gates["r_hat"].value > 1.5


def test_a_chain_that_never_moved_is_flagged() -> None:
    draws = np.random.default_rng(6).normal(size=(4, 1000))
    draws[3] = draws[3, 0]
    posterior = xr.Dataset({"weight": (("chain", "draw"), draws)})
    gates = judge(diagnose(posterior, [], ["weight"]))
    assert "fail" in {gates[name].status for name in NAMES[:3]}
    assert gates["r_hat"].where == "weight"


def test_chains_of_different_width_fail_though_their_means_agree() -> None:
    draws = np.random.default_rng(7).normal(size=(4, 1000)) * np.array([[1.0], [1.0], [1.0], [4.0]])
    posterior = xr.Dataset({"weight": (("chain", "draw"), draws)})
    assert judge(diagnose(posterior, [], ["weight"]))["r_hat"].status == "fail"


def test_a_funnel_sampled_as_written_is_not_reportable() -> None:
    """Neal's funnel: the neck is never reached, and the sampler diverges on its way there."""
    from experiments.sampling import STATISTICS, compile_model, sample

    with pm.Model(coords={"part": range(9)}) as funnel:
        width = pm.Normal("width", 0, 3)
        pm.Normal("x", 0, pm.math.exp(width / 2), dims="part")
    config = SamplerConfig(draws=300, tune=200, chains=2)
    posterior, stats = sample(compile_model(funnel), config, seed=11, cores=2)
    assert set(stats) == set(STATISTICS.values())
    table = diagnose(posterior, [Block("all", ("width", "x"))], ["width", "x"])
    answers = summarise({"width": posterior["width"]}, [Estimand("width", "Width", "", "", "")])
    gates = judge(table, answers, stats)
    failed = {name for name, gate in gates.items() if gate.status == "fail"}
    assert "ess_bulk" in failed
    assert failed & {"divergences", "e_bfmi", "r_hat"}
    assert not is_reportable(list(gates.values()))
