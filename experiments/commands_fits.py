"""The command `fits`: many experiments through the scheduler; and how commands name workers."""

import argparse
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from experiments.schedule import Job, Outcome, Workers

DONE, FAILED, NOT_REPORTABLE, INTERRUPTED = 0, 1, 3, 130


def add_commands(commands: Any) -> None:
    """Add this module's command to the command line."""
    fits = commands.add_parser("fits", help="fit and report several variants of a model")
    fits.add_argument("--model", default="", help="see 'list'")
    fits.add_argument(
        "--variant",
        action="append",
        default=[],
        dest="variants",
        help="a variant's name, or 'base'; repeatable; all experiments of the model if not given",
    )
    fits.add_argument("--cube", help="name in results/cubes or path of a cube")
    fits.add_argument("--set", action="append", default=[], dest="sets", metavar="PATH=VALUE")
    add_workers(fits)
    fits.set_defaults(run=_fits)


def add_workers(command: Any) -> None:
    """Options that say where fits run."""
    command.add_argument(
        "--workers",
        type=int,
        default=os.cpu_count() or 1,
        help="processes of this machine; 1 fits in this process; as many as cores if not given",
    )
    command.add_argument("--cluster", default="", help="address of a Dask scheduler, tcp://...")


def workers_of(args: argparse.Namespace) -> "Workers":
    """What `add_workers` was given."""
    from experiments.schedule import Workers

    return Workers(processes=args.workers, cluster=args.cluster)


def run_and_tell(jobs: "Sequence[Job]", workers: "Workers") -> "tuple[list[Outcome], int]":
    """Run jobs and say what became of them; outcomes and an exit code."""
    from experiments.schedule import InterruptedJobsError, run_jobs

    code = DONE
    try:
        outcomes = run_jobs(jobs, workers)
    except InterruptedJobsError as interrupt:
        outcomes, code = interrupt.outcomes, INTERRUPTED
    counts = {
        status: sum(o.status == status for o in outcomes)
        for status in ("done", "already", "failed", "not run")
    }
    print(
        f"{counts['done']} fits done, {counts['already']} stored before, {counts['failed']} "
        f"failed, {counts['not run']} not run"
    )
    if code == INTERRUPTED:
        kept = counts["done"] + counts["already"]
        print(
            f"interrupted: {kept} finished runs are kept, fits in hand are given up (those on a "
            "cluster end by themselves and are kept); the same command goes on from there",
            file=sys.stderr,
        )
    for outcome in outcomes:
        if not outcome.is_stored and outcome.reason != "interrupted":
            print(f"  {outcome.status}: {outcome.experiment} {outcome.run_id}: {outcome.reason}")
    if code == DONE and counts["failed"] + counts["not run"]:
        code = FAILED
    return outcomes, code


def _fits(args: argparse.Namespace) -> int:
    from data_prep.errors import DataError, gather_faults
    from experiments import provenance, store
    from experiments.config import list_experiments, load_experiment
    from experiments.fit import prepare
    from experiments.jobs import job_of

    names = [name for name, _ in list_experiments() if name.split("--")[0] == args.model]
    variants = args.variants or [name.partition("--")[2] for name in names] or [""]
    jobs: list[Job] = []
    refused: dict[str, str] = {}

    def add(variant: str) -> None:
        named = None if variant in ("", "base") else variant
        try:
            prepared = prepare(load_experiment(args.model, named, args.sets, args.cube))
        except DataError as error:
            refused[variant or "base"] = error.problems
            raise
        command = provenance.command(args.model, named, args.sets, args.cube)
        jobs.append(job_of(prepared, command))

    try:
        gather_faults([lambda v=variant: add(v) for variant in variants])  # type: ignore[misc]
    except DataError:
        # What was asked for by name must be right; of all that there is, data may lack something.
        if args.variants or not jobs:
            raise
    for name, reason in refused.items():
        print(f"  refused  {name}: {reason}")
    outcomes, code = run_and_tell(jobs, workers_of(args))
    if refused:
        print(f"{len(refused)} experiments refused, see above: {', '.join(refused)}")
    if code == INTERRUPTED:
        return code
    from reports.run_report import render_run

    for outcome in outcomes:
        run = store.find_run(outcome.experiment, outcome.run_id)
        if run is None:
            continue
        if not (run / "report.html").is_file():
            render_run(run)
        reportable = store.read_verdict(run)["reportable"]
        code = code or (DONE if reportable else NOT_REPORTABLE)
        print(f"  {'reportable' if reportable else 'NOT REPORTABLE':<16}{run / 'report.html'}")
    return code
