"""Was the posterior computed? Blocks with their worst coordinate, chains, and rank panels."""

from typing import Any

import numpy as np
import pandas as pd

from reports import figures_sampling as plots
from reports.figures import Panel, ecdf_difference, not_assessed, simultaneous_band
from reports.run_folder import Run
from reports.wording import (
    NOT_ASSESSED,
    count,
    estimate,
    is_number,
    listing,
    number,
    plain,
    quantity,
    with_unit,
)

MAX_PANELS = 9
TAILS = (0.05, 0.95)
# Vectors up to this length are shown entry by entry.
SHORT_VECTOR = 4


def block_rows(run: Run) -> list[dict[str, Any]]:
    """One row per block: its size, worst R-hat and smallest ESS, each with its coordinate."""
    table = run.diagnostics
    rows = []
    for block, part in table.groupby("block", sort=False, dropna=False):
        row: dict[str, Any] = {"block": block, "parameters": count(len(part))}
        for name, worst, show in (
            ("r_hat", "idxmax", lambda v: number(v, places=3)),
            ("ess_bulk", "idxmin", count),
            ("ess_tail", "idxmin", count),
        ):
            known = part[name].dropna()
            if known.empty:
                row[name], row[f"{name}_where"] = NOT_ASSESSED, ""
                continue
            at = getattr(known, worst)()
            row[name] = show(known[at])
            row[f"{name}_where"] = _coordinate(run, table.loc[at])
        row["unknown"] = int(part["r_hat"].isna().sum())
        rows.append(row)
    return rows


def _coordinate(run: Run, row: pd.Series) -> str:
    """``level, Northmere 3`` from ``level`` and ``la=E06000003``."""
    coordinate = row["coordinate"]
    if not isinstance(coordinate, str) or not coordinate:
        return str(row["variable"])
    parts = []
    for part in coordinate.split(","):
        key, _, value = part.strip().partition("=")
        parts.append(run.la_name(value) if key == "la" else value or key)
    return f"{row['variable']}, {' '.join(parts)}"


def sampler_facts(run: Run) -> list[tuple[str, str]]:
    """Counts over all chains; a zero is printed as 0."""
    diverging = run.variable("sample_stats", "diverging")
    hits = run.variable("sample_stats", "reached_max_treedepth")
    steps = run.variable("sample_stats", "n_steps")
    facts = []
    if diverging is not None:
        chains, draws = diverging.shape
        facts.append(("Draws", f"{quantity(chains, 'chain')} of {count(draws)}"))
    for label, values in (("Divergences", diverging), ("Tree-depth hits", hits)):
        facts.append((label, NOT_ASSESSED if values is None else count(values.sum())))
    facts.append(("Leapfrog steps a draw", NOT_ASSESSED if steps is None else plain(steps.mean())))
    seconds = run.provenance.get("seconds")
    if isinstance(seconds, dict) and seconds:
        stages = [
            f"{stage} {number(s, places=1)} s" for stage, s in seconds.items() if is_number(s)
        ]
        facts.append(("Time", ", ".join(stages)))
    return facts


def chain_rows(run: Run) -> list[dict[str, str]]:
    """One row per chain: divergences, depth hits, acceptance, step size, E-BFMI."""
    names = ("diverging", "reached_max_treedepth", "acceptance_rate", "step_size", "energy")
    values = {name: run.variable("sample_stats", name) for name in names}
    first = next((v for v in values.values() if v is not None), np.empty((0, 0)))
    rows = []
    for chain in range(len(first)):
        own = {name: None if v is None else v[chain].astype(float) for name, v in values.items()}
        energy = own.pop("energy")
        row = {"chain": str(chain)}
        for name, draws in own.items():
            if draws is None:
                row[name] = NOT_ASSESSED
            elif name in ("diverging", "reached_max_treedepth"):
                row[name] = count(draws.sum())
            else:
                row[name] = number(draws.mean(), places=3)
        bad = energy is None or energy.size < 2 or not energy.var()
        row["e_bfmi"] = (
            NOT_ASSESSED
            if bad or energy is None
            else number(np.square(np.diff(energy)).mean() / energy.var(), places=2)
        )
        rows.append(row)
    return rows


def hyperparameters(run: Run) -> dict[str, np.ndarray]:
    """Draws (chain, draw) of each declared hyperparameter; short vectors entry by entry."""
    return {
        label: draws
        for name in run.spec.get("hyperparameters", [])
        for label, draws in entries(run, "posterior", name).items()
    }


def entries(run: Run, group: str, name: str) -> dict[str, np.ndarray]:
    """A scalar, or each entry of a short vector, as (chain, draw) by label; else nothing."""
    values = run.variable(group, name)
    if values is None or values.ndim < 2 or run.dims(group, name)[:2] != ("chain", "draw"):
        return {}
    if values.ndim == 2:
        return {name: values}
    if values.ndim > 3 or values.shape[2] > SHORT_VECTOR:
        return {}
    dim = run.dims(group, name)[2]
    labels = run.variable(group, dim)
    known = range(values.shape[2]) if labels is None else labels.tolist()
    return {f"{name}, {label}": values[:, :, i] for i, label in enumerate(known)}


def rank_panel(run: Run) -> Panel:
    """Whether chains agree on the hyperparameters."""
    key, title = "chain_ranks", "Do the chains agree?"
    every = hyperparameters(run)
    if not every:
        return not_assessed(key, title, "the trace holds no hyperparameters")
    ess_of = {name: _smallest_ess(run, name) for name in every}
    names = sorted(every, key=lambda name: ess_of[name])
    chosen = names[:MAX_PANELS]
    ranks, sizes, outside = {}, {}, []
    for name in chosen:
        draws = every[name]
        order = draws.ravel().argsort().argsort().reshape(draws.shape)
        ranks[name] = (order + 0.5) / draws.size
        # Autocorrelated draws wander further: the band is that of as many independent ones.
        size = min(draws.shape[1], ess_of[name] / len(draws))
        # Two figures are enough, and let panels share a band.
        sizes[name] = max(10, int(float(f"{size:.1e}")))
        place, lower, upper = simultaneous_band(sizes[name])
        for chain in ranks[name]:
            difference = ecdf_difference(chain, place)
            if ((difference < lower) | (difference > upper)).any():
                outside.append(name)
                break
    shows = f"A chain leaves its band in {len(outside)} of {quantity(len(chosen), 'parameter')}" + (
        f": {listing(outside)}." if outside else "."
    )
    if len(names) > len(chosen):
        shows += f" Shown: the {len(chosen)} of {len(names)} with the smallest ESS."
    return Panel(
        key,
        title,
        plots.plot_chain_ranks(ranks, sizes),
        alt="Rank ECDF differences of each chain for the hyperparameters, within bands.",
        read="Each line is one chain. Lines that stay in the grey band explore the same values; "
        "with four chains a line may leave a 90% band by chance now and then. The band is that of "
        "as many independent draws as the chain's effective sample size.",
        shows=shows,
        interval="90% simultaneous band",
        numbers=_rank_rows(ranks, sizes),
    )


def _rank_rows(ranks: dict[str, np.ndarray], sizes: dict[str, int]) -> pd.DataFrame:
    """The lines of the figure of ranks: one row for each parameter and place, a column a chain."""
    parts = []
    for name, values in ranks.items():
        place, lower, upper = simultaneous_band(sizes[name])
        lines = {f"chain_{i}": ecdf_difference(chain, place) for i, chain in enumerate(values)}
        columns = {"parameter": name, "place": place, "lower": lower, "upper": upper, **lines}
        parts.append(pd.DataFrame(columns).round(4))
    return pd.concat(parts)


def prior_posterior_panel(run: Run) -> Panel:
    """What the data taught about hyperparameters."""
    key, title = "prior_posterior", "Prior and posterior"
    posterior = {name: draws.ravel() for name, draws in hyperparameters(run).items()}
    names = list(posterior)[:MAX_PANELS]
    if not names:
        return not_assessed(key, title, "the trace holds no hyperparameters")
    declared = run.spec.get("hyperparameters", [])
    known = {k: v for name in declared for k, v in entries(run, "prior", name).items()}
    prior = {name: known[name].ravel() for name in names if name in known}
    missing = [name for name in names if name not in prior]
    shows = _what_was_learnt({name: (prior[name], posterior[name]) for name in prior})
    if missing:
        shows += f" No prior draws for {listing(missing)}: {NOT_ASSESSED}."
    return Panel(
        key,
        title,
        plots.plot_prior_posterior(names, prior, posterior),
        alt="Histograms of prior and posterior draws of each hyperparameter.",
        read="Grey is the prior, blue the posterior: where they coincide the data say little. "
        "Prior tails beyond the central 96% are cut.",
        shows=shows,
        numbers=_before_and_after(prior, {name: posterior[name] for name in names}),
    )


def _before_and_after(
    prior: dict[str, np.ndarray], posterior: dict[str, np.ndarray]
) -> pd.DataFrame:
    """Percentiles of the draws behind the histograms, one row for each parameter and group."""
    percent = (1, 5, 25, 50, 75, 95, 99)
    rows = [
        [name, group, *np.quantile(found[name], np.array(percent) / 100)]
        for name in posterior
        for group, found in (("prior", prior), ("posterior", posterior))
        if name in found
    ]
    return pd.DataFrame(rows, columns=["parameter", "group", *(f"p{p:02d}" for p in percent)])


def _what_was_learnt(both: dict[str, tuple[np.ndarray, np.ndarray]]) -> str:
    """Where the data taught most and least, and where they surprised: from (prior, posterior)."""
    if not both:
        return ""
    # Interval widths, for the sd of a long-tailed prior says little.
    width = {
        name: np.ptp(np.quantile(after, TAILS)) / max(np.ptp(np.quantile(before, TAILS)), 1e-300)
        for name, (before, after) in both.items()
    }
    told = {name: f"{name} ({count(100 * width[name])}%)" for name in width}
    order = sorted(width, key=lambda name: width[name])
    said = "Width of the posterior's interval, as a share of the prior's: "
    if len(order) > 1:
        said += f"least for {told[order[0]]}, most for {told[order[-1]]}."
    else:
        said += f"{told[order[0]]}."
    tight = [told[name] for name in order[::-1] if width[name] > 0.75]
    if tight:
        said += f" The data taught little about {listing(tight)}."
    strange = [
        name
        for name, (before, after) in both.items()
        if not TAILS[0] <= (before < np.median(after)).mean() <= TAILS[1]
    ]
    if strange:
        said += (
            f" Outside the prior's own 90% interval: the median of {listing(strange)}; data and "
            "prior disagree there."
        )
    return said


def prior_rows(run: Run) -> list[dict[str, Any]]:
    """The prior table: distribution, prior and posterior medians and intervals, meaning, reason."""
    rows = []
    for prior in run.spec.get("priors", []):
        name = str(prior.get("name"))
        parameters = prior.get("parameters") or {}
        arguments = ", ".join(f"{key} {value}" for key, value in parameters.items())
        before, after = (_summary(run, group, name) for group in ("prior", "posterior"))
        if after[0][1] == NOT_ASSESSED:
            after = _from_estimands(run, name)
        rows.append(
            {
                "name": name,
                "distribution": f"{prior.get('distribution', '')}({arguments})",
                "meaning": str(prior.get("meaning", "")),
                "reason": str(prior.get("reason", "")),
                "overridden": "changed by this experiment" if prior.get("overridden") else "",
                "prior": before,
                "posterior": after,
            }
        )
    return rows


def _smallest_ess(run: Run, label: str) -> float:
    """Smallest bulk or tail ESS of the variable that ``label`` belongs to; infinite if unknown."""
    mine = run.diagnostics["variable"] == label.partition(",")[0]
    ess = run.diagnostics.loc[mine, ["ess_bulk", "ess_tail"]].to_numpy(dtype=float)
    known = ess[np.isfinite(ess)]
    return float(known.min()) if known.size else np.inf


def _summary(run: Run, group: str, name: str) -> list[tuple[str, str, str]]:
    """Label (of an entry of a vector), median and interval as text, one triple for each entry."""
    values = run.variable(group, name)
    if values is None:
        return [("", NOT_ASSESSED, "")]
    parts = entries(run, group, name)
    if not parts:
        return [("", f"{count(values[0, 0].size)} values", "")]
    rows = []
    for label, draws in parts.items():
        n = min(draws.size, _smallest_ess(run, label)) if group == "posterior" else draws.size
        low, middle, high = (_quantile(draws, p, n) for p in (TAILS[0], 0.5, TAILS[1]))
        rows.append((label.partition(", ")[2], middle, f"{low} to {high}"))
    return rows


def _quantile(draws: np.ndarray, p: float, n: float) -> str:
    """A quantile rounded by its Monte Carlo error: half the distance between the quantiles one
    binomial standard error of ``n`` draws below and above.
    """
    error = np.sqrt(p * (1 - p) / n)
    low, value, high = np.quantile(draws, [max(p - error, 0), p, min(p + error, 1)])
    return number(value, sd=draws.std(), mcse=(high - low) / 2)


def _from_estimands(run: Run, name: str) -> list[tuple[str, str, str]]:
    rows = run.estimand(name)
    if len(rows) != 1:
        return [("", NOT_ASSESSED, "")]
    text = estimate(dict(rows.iloc[0]))
    return [("", with_unit(text.mean, text.unit), text.interval)]
