"""The command `findings`: what the study's findings need, fitted, judged by rule and written."""

import argparse
from pathlib import Path
from typing import Any

from experiments.commands_fits import DONE, INTERRUPTED, add_workers, run_and_tell, workers_of


def add_commands(commands: Any) -> None:
    """Add this module's command to the command line."""
    command = commands.add_parser(
        "findings", help="hold the study's findings against a cube, by rules written beforehand"
    )
    command.add_argument("--cube", help="name in results/cubes or path of a cube")
    command.add_argument("--config", type=Path, help="another file than experiments/findings.toml")
    command.add_argument(
        "--set",
        action="append",
        default=[],
        dest="sets",
        metavar="PATH=VALUE",
        help="override one value of every experiment, as sampler.draws=3000; repeatable",
    )
    command.add_argument(
        "--stored", action="store_true", help="fit nothing: judge what is stored, and say the rest"
    )
    add_workers(command)
    command.set_defaults(run=_findings)


def _findings(args: argparse.Namespace) -> int:
    from experiments import store
    from experiments.findings import plan_findings, write_findings
    from experiments.findings_config import FINDINGS

    plan = plan_findings(args.cube, args.config or FINDINGS, args.sets)
    stored = sum(store.find_run(job.experiment, job.run_id) is not None for job in plan.jobs)
    print(
        f"{len(plan.config.findings)} findings on {plan.cube_name} ({plan.cube.attrs['kind']}): "
        f"{len(plan.config.experiments)} experiments, {stored} stored, "
        f"{len(plan.jobs) - stored} to fit, {len(plan.refused)} refused by these data"
    )
    for name, reason in plan.refused.items():
        print(f"  refused  {name}: {reason}")
    outcomes, code = ([], DONE) if args.stored else run_and_tell(plan.jobs, workers_of(args))
    if code == INTERRUPTED:
        return code
    from reports.findings_report import render_findings
    from reports.run_report import render_run

    for job in plan.jobs:
        run = store.find_run(job.experiment, job.run_id)
        if run is not None and not (run / "report.html").is_file():
            render_run(run)
    folder = write_findings(plan, outcomes)
    for finding in store.read_json(folder / "findings.json")["findings"]:
        print(f"  {finding['state'].upper():<16}{finding['name']}: {finding['title']}")
    print(f"Report: {render_findings(folder)}")
    return code
