"""The command `compare`: variants or runs side by side."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.commands_fits import DONE, add_workers, run_and_tell, workers_of

if TYPE_CHECKING:
    from experiments.compare import Scores, Side


def add_commands(commands: Any) -> None:
    """Add this module's command to the command line."""
    command = commands.add_parser(
        "compare", help="estimands, configs and predictions of variants or runs side by side"
    )
    command.add_argument("--model", default="", help="see 'list'")
    command.add_argument(
        "--variant",
        action="append",
        default=[],
        dest="variants",
        help="a variant's name, or 'base'; fitted where it is not stored; repeatable",
    )
    command.add_argument(
        "--run",
        action="append",
        default=[],
        dest="run_names",
        help="id of a stored run, its beginning, or path; repeatable",
    )
    command.add_argument("--cube", help="name in results/cubes or path of a cube")
    command.add_argument("--set", action="append", default=[], dest="sets", metavar="PATH=VALUE")
    command.add_argument("--name", help="folder below results/comparisons; made up if not given")
    command.add_argument(
        "--unit",
        choices=("la", "year", "cell", "inspection", "none"),
        help="what is left out at a time; the model's own if not given; none refits nothing",
    )
    command.add_argument(
        "--folds", type=int, default=5, help="folds of authorities, cells or inspections"
    )
    add_workers(command)
    command.set_defaults(run=_compare)


def _compare(args: argparse.Namespace) -> int:
    from data_prep.errors import DataError, Fault
    from experiments import store
    from experiments.compare import read_side, refusals, write_comparison

    runs: dict[str, Path] = {}
    if args.variants:
        runs, code = _fitted(args)
        if code != DONE:
            return code
    for text in args.run_names:
        run = store.resolve_run(text)
        runs[f"{run.parent.name}/{run.name}"] = run
    if len(runs) < 2:
        remedy = 'name two or more: VARIANTS="base spatial", or RUNS="id id"'
        raise DataError([Fault("a comparison needs two runs", remedy, value=", ".join(runs))])
    sides = [read_side(run, name) for name, run in runs.items()]
    refused = refusals(sides)
    scores = [] if refused else _scores(sides, args.unit, args.folds)
    name = args.name or "-vs-".join(text.replace("/", "-") for text in runs)[:120]
    folder = store.results_folder() / "comparisons" / name
    write_comparison(folder, sides, refused, scores)
    for reason in refused:
        print(f"predictions are not compared: {reason}")
    _print_scores(scores)
    from reports.comparison_report import render_comparison

    print(f"Report: {render_comparison(folder)}")
    return DONE


def _fitted(args: argparse.Namespace) -> tuple[dict[str, Path], int]:
    """Runs of the variants, fitted where they are not stored, by the variant's name."""
    from experiments import provenance, store
    from experiments.config import load_experiment
    from experiments.fit import prepare
    from experiments.jobs import job_of

    jobs = {}
    for variant in args.variants:
        own = None if variant == "base" else variant
        prepared = prepare(load_experiment(args.model, own, args.sets, args.cube))
        command = provenance.command(args.model, own, args.sets, args.cube)
        jobs[variant] = job_of(prepared, command)
    _, code = run_and_tell(list(jobs.values()), workers_of(args))
    found = {name: store.find_run(job.experiment, job.run_id) for name, job in jobs.items()}
    return {name: run for name, run in found.items() if run is not None}, code


def _scores(sides: "list[Side]", unit: str | None, count: int) -> "list[Scores]":
    """Leave-one-out of every run, and the hold-out by the question's own unit."""
    from data_prep.errors import DataError, Fault, gather_faults
    from experiments import compare
    from experiments.fit import Prepared

    if unit == "none":
        return [compare.leave_one_out(sides, {})]
    prepared: dict[str, Prepared] = {}

    def restore(side: "Side") -> None:
        prepared[side.name] = compare.restore_run(side)

    gather_faults([lambda side=side: restore(side) for side in sides])  # type: ignore[misc]
    refits = {s.name: compare.refit_bad_cells(s, prepared[s.name]) for s in sides}
    own = unit or prepared[sides[0].name].experiment.spec.holdout
    if own == "inspection" and prepared[sides[0].name].experiment.spec.holdout != own:
        raise DataError(
            [Fault("no observation of this model is an inspection", "UNIT=cell", value=own)]
        )
    order = sorted(sides[0].cells["key"])
    folds = {
        side.name: compare.predict_units(side, prepared[side.name], own, count, order)  # type: ignore[arg-type]
        for side in sides
    }
    return [compare.leave_one_out(sides, refits), compare.hold_out(sides, folds, own)]  # type: ignore[arg-type]


def _print_scores(scores: "list[Scores]") -> None:
    from experiments.compare import score_table

    for score in scores:
        print(f"\n{score.kind}: sum of log predictive densities, higher is better")
        shown = ["run", "elpd", "difference", "difference_se", "weight"]
        print(score_table(score)[shown].to_string(index=False, float_format="{:.2f}".format))
        for name, note in score.notes.items():
            print(f"  {name}: {note}")
