"""What a calibration study found: ranks against uniform bands, and coverage of intervals."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from experiments.calibrate import INTERVALS, RANKED_DRAWS, Plan, replicate_path
from experiments.rank_bands import (
    LEVEL,
    band,
    binomial_interval,
    ecdf_difference,
    uniformity_p,
)


def read_replicates(folder: Path, replicates: int) -> list[dict[str, Any]]:
    """Those of replicates 1 to ``replicates`` that are done, in order."""
    paths = [replicate_path(folder, number) for number in range(1, replicates + 1)]
    return [json.loads(path.read_text()) for path in paths if path.is_file()]


def ranks_of(results: list[dict[str, Any]]) -> pd.DataFrame:
    """A row for each replicate and scalar; failed replicates have none."""
    return pd.DataFrame(
        [{"replicate": r["replicate"], **value} for r in results for value in r["values"]]
    )


def summarise_study(results: list[dict[str, Any]], asked: int) -> pd.DataFrame:
    """`summary.csv`: a row for each scalar, with the state of the study beside each.

    ``p`` is the probability that uniform ranks stray as far; ``band`` says whether the ECDF leaves
    the simultaneous 95 % band of its own quantity, which one in twenty does by chance.
    """
    ranks = ranks_of(results)
    failed = sum(bool(r["failed"]) for r in results)
    state = {
        "asked": asked,
        "replicates": len(results) - failed,
        "failed": failed,
        "divergent": sum(r.get("divergences", 0) > 0 for r in results),
        "lengthened": sum("first_least_ess" in r for r in results),
        "status": "finished" if len(results) == asked else "unfinished",
    }
    rows = []
    for (name, coordinate, kind), group in ranks.groupby(
        ["quantity", "coordinate", "kind"], sort=False
    ):
        rank = group["rank"].to_numpy()
        p = uniformity_p(rank, RANKED_DRAWS)
        difference = ecdf_difference(rank, RANKED_DRAWS)
        row: dict[str, Any] = {
            "quantity": name,
            "coordinate": coordinate,
            "kind": kind,
            "band": "outside" if p < 1 - LEVEL else "inside",
            "p": p,
            "largest_difference": difference[np.abs(difference).argmax()],
        }
        for width in INTERVALS:
            percent = round(100 * width)
            hits = int(group[f"in_{percent}"].sum())
            low, high = binomial_interval(hits, len(group))
            row |= {
                f"coverage_{percent}": hits / len(group),
                f"coverage_{percent}_lower": low,
                f"coverage_{percent}_upper": high,
            }
        row |= {
            "least_ess": group["ess_bulk"].min(),
            "median_ess": group["ess_bulk"].median(),
            "ess_below_ranked": int((group["ess_bulk"] < RANKED_DRAWS).sum()),
            "worst_r_hat": group["r_hat"].max(),
        }
        rows.append(row | state)
    return pd.DataFrame(rows)


def write_summary(plan: Plan, replicates: int) -> pd.DataFrame:
    """Write `summary.csv`, `ranks.csv`, `band.csv` and `replicates.csv`; the summary."""
    results = read_replicates(plan.folder, replicates)
    summary = summarise_study(results, replicates)
    ranks = ranks_of(results)
    limits = pd.DataFrame(asdict(band(ranks["replicate"].nunique(), RANKED_DRAWS)))
    fits = pd.DataFrame([{k: v for k, v in r.items() if k != "values"} for r in results])
    for name, table in (
        ("summary", summary),
        ("ranks", ranks),
        ("band", limits),
        ("replicates", fits),
    ):
        table.to_csv(plan.folder / f"{name}.csv", index=False, float_format="%.5g")
    return summary


def verdict(summary: pd.DataFrame) -> tuple[bool, str]:
    """Whether the study is finished and shows nothing that chance would not, and why in words."""
    first, count = summary.iloc[0], len(summary)
    outside = summary[summary["band"] == "outside"]
    least = summary.iloc[int(summary["p"].argmin())]
    adjusted = min(1.0, least["p"] * count)
    text = (
        f"{first['replicates']} of {first['asked']} replicates ({first['status']}), "
        f"{first['failed']} failed, {first['divergent']} with divergences, "
        f"{first['lengthened']} sampled longer; {len(outside)} of "
        f"{count} quantities outside their own 95 % band, about {count / 20:.0f} expected by "
        f"chance; smallest p {least['p']:.4f} ({least['quantity']} {least['coordinate']}), "
        f"{adjusted:.2f} after allowing for {count} quantities"
    )
    sound = first["status"] == "finished" and first["failed"] == 0 and adjusted >= 1 - LEVEL
    return bool(sound), text
