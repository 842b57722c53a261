"""One run as one self-contained HTML file, from the files of its folder and nothing else."""

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from reports import computation, criticism, tables
from reports.answers import answer_panels, drawn_from
from reports.authorities import explorer_data, quantities
from reports.figures import Panel, house_style, text_uri
from reports.figures_authorities import chosen_panels
from reports.figures_maps import map_panels, residual_map_panels
from reports.pages import (
    download,
    environment,
    script_data,
    show_panel,
    table_csv,
    write_page,
)
from reports.run_folder import Run
from reports.sensitivity import sensitivity_panels
from reports.wording import NOT_ASSESSED, NOT_ESTIMABLE, capital

# Sections in reading order: anchor, heading, word in the navigation.
SECTIONS = (
    ("answer", "Question and answer", "Answer"),
    ("data", "Data used and dropped", "Data"),
    ("model", "Model and priors", "Model"),
    ("prior", "Before the data", "Prior"),
    ("computation", "Computation", "Computation"),
    ("criticism", "Criticism", "Criticism"),
    ("sensitivity", "Sensitivity", "Sensitivity"),
    ("authorities", "Local authorities", "LAs"),
    ("estimands", "Estimands", "Estimands"),
    ("provenance", "Provenance", "Provenance"),
)


def render_run(run_folder: Path, stale: Sequence[str] = ()) -> Path:
    """Write ``report.html`` into a run folder, whole or not at all, and return its path.

    ``stale`` says what changed since the fit, where anything did.

    Raises
    ------
    FileNotFoundError
        When the folder holds no ``spec.json``.
    """
    folder = Path(run_folder)
    with closing(Run.read(folder)) as run, house_style():
        html = environment().get_template("run.html").render(_context(run), stale=stale)
    return write_page(folder / "report.html", html)


def _context(run: Run) -> dict[str, Any]:
    verdict, found = tables.judge(run), quantities(run)
    cells = criticism.cell_rows(run)
    in_order = [quantity for quantity in found if quantity.is_ranked]
    stamp = capital(run.kind)
    if not verdict.reportable:
        stamp += " · NOT REPORTABLE"

    def shown(panels: list[Panel]) -> list[dict[str, Any]]:
        return [
            show_panel(panel, stamp, ("estimands", "estimand", drawn_from(run, panel.key)))
            for panel in panels
        ]

    return {
        "run": run,
        "spec": run.spec,
        "sections": SECTIONS,
        "verdict": verdict,
        "checks": tables.checks(run),
        "not_assessed": NOT_ASSESSED,
        "not_estimable": NOT_ESTIMABLE,
        "gaps": tables.gaps(run),
        "misfit_summary": tables.misfit_summary(verdict.misfits),
        "answers": shown(answer_panels(run)),
        "total_rows": tables.total_rows(run),
        "data_rows": tables.data_rows(run),
        "option_rows": tables.option_rows(run),
        "prior_rows": computation.prior_rows(run),
        "prior_posterior": shown([computation.prior_posterior_panel(run)]),
        "prior_predictive": shown(criticism.prior_predictive_panels(run)),
        "blocks": computation.block_rows(run),
        "facts": computation.sampler_facts(run),
        "chains": computation.chain_rows(run),
        "ranks": shown([computation.rank_panel(run)]),
        "predictive": shown(criticism.predictive_panels(run)),
        "loo": shown(criticism.loo_panels(run)),
        "loo_facts": criticism.loo_facts(run),
        "residuals": shown(criticism.residual_panels(run)),
        "worst_las": criticism.worst_las(run),
        "advisory_rows": tables.advisory(run, sensitivity=False),
        "regime_rows": tables.regime_rows(run),
        # What was computed since stands in place of the verdict's word that it was not.
        "sensitivity": [] if run.sensitivity else tables.advisory(run, sensitivity=True),
        "sensitivity_panels": shown(sensitivity_panels(run)),
        "estimands": tables.estimand_tables(run),
        "la_table": tables.la_table(run, found),
        "explorer": script_data(explorer_data(run, in_order, stamp)) if in_order else "",
        "chosen": shown(chosen_panels(run)),
        "maps": shown(map_panels(run)),
        "residual_maps": shown(residual_map_panels(run)),
        "downloads": {name: download(run.folder / name) for name in DOWNLOADS},
        "cells_csv": "" if cells is None else text_uri("text/csv", table_csv(cells)),
        "provenance": tables.provenance_rows(run),
    }


DOWNLOADS = ("estimands.csv", "diagnostics.csv", "ranks.csv")
