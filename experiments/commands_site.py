"""The command `site`: every page that is stored, under one index, as a folder and a zip."""

import argparse
from typing import Any

DONE = 0


def add_commands(commands: Any) -> None:
    """Add this module's command to the command line."""
    command = commands.add_parser(
        "site", help="gather all pages under one index, as a folder and a zip"
    )
    command.add_argument(
        "--render", action="store_true", help="render the reports that stored runs lack, too"
    )
    command.set_defaults(run=_site)


def _site(args: argparse.Namespace) -> int:
    import hashlib

    from experiments import store
    from experiments.findings_config import FINDINGS
    from experiments.runs import list_failures, list_runs, stale_reasons
    from experiments.runtime import ROOT
    from reports.site import StoredRun, build_site

    runs = [
        StoredRun(entry.folder, entry.reportable, tuple(entry.failed()), entry.unreadable, stale)
        for entry in list_runs()
        for stale in [tuple(stale_reasons(entry))]
    ]
    if args.render:
        _render_missing(runs)
    site = build_site(
        store.results_folder(),
        runs,
        list_failures(),
        calibration=ROOT / "docs" / "calibration",
        rules=hashlib.sha256(FINDINGS.read_bytes()).hexdigest(),
    )
    print(
        f"{len(runs)} run{'' if len(runs) == 1 else 's'}, {site.pages} pages, "
        f"{site.size / 1e6:,.1f} MB\n"
        f"Open: {site.index}\nSend: {site.archive} ({site.archive.stat().st_size / 1e6:,.1f} MB)"
    )
    if site.absent:
        print(f"without a report: {site.absent} of them; RENDER=1 renders those first")
    return DONE


def _render_missing(runs: Any) -> None:
    import logging

    from reports.run_report import render_run

    log = logging.getLogger("experiments")
    waiting = [run for run in runs if not run.unreadable and not run.report.is_file()]
    for number, run in enumerate(waiting, 1):
        log.info("report %d of %d", number, len(waiting))
        render_run(run.folder, run.stale)
