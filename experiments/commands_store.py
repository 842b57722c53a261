"""Commands on the store of runs: runs, prune, export, import."""

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from experiments.runs import Entry

DONE, BAD_INPUT = 0, 2


def add_commands(commands: Any) -> None:
    """Add this module's commands to the command line."""
    for name, run, text in (
        ("runs", _runs, "list stored runs, what is stale and why"),
        ("prune", _prune, "remove the stored runs that meet every condition; asks for --yes"),
    ):
        command = commands.add_parser(name, help=text)
        command.add_argument(
            "--where",
            action="append",
            default=[],
            metavar="FIELD=VALUE",
            help="as model=deprivation, reportable=false, stale=true or outcome=section47; "
            "!= for its contrary, * for anything; repeatable",
        )
        command.set_defaults(run=run)
        if name == "prune":
            command.add_argument("--yes", action="store_true", help="remove, and not only list")
    export = commands.add_parser("export", help="write a run as one zip")
    export.add_argument("--run", required=True, dest="run_name", help="id, its beginning, or path")
    export.add_argument("--to", type=Path, help="folder of the zip; results/exports if not given")
    export.set_defaults(run=_export)
    bring = commands.add_parser("import", help="take in a zip written by 'export', and render it")
    bring.add_argument("--file", required=True, type=Path)
    bring.set_defaults(run=_import)


def _runs(args: argparse.Namespace) -> int:
    from experiments import store
    from experiments.runs import list_failures, list_runs, select_runs, stale_reasons

    every = list_runs()
    chosen = select_runs(args.where, every)
    for entry in chosen:
        print(_line(entry))
        for reason in stale_reasons(entry):
            print(f"{'':16}stale: {reason}")
    size = sum(entry.size for entry in chosen)
    print(f"{len(chosen)} of {len(every)} runs, {size / 1e6:,.1f} MB")
    failures = list_failures()
    for failure in failures:
        print(f"failed: {failure['experiment']} {failure['run_id']}: {failure['reason']}")
    if failures:
        print(f"{len(failures)} fits failed; tracebacks are in {store.failures_folder()}")
    return DONE


def _line(entry: "Entry") -> str:
    if entry.unreadable:
        state = f"cannot be read: {entry.unreadable}"
    elif entry.reportable:
        state = "reportable"
    else:
        state = f"not reportable ({', '.join(entry.failed()) or 'no verdict'})"
    when = entry.started[:16].replace("T", " ")
    return f"{entry.run:<16}{entry.experiment:<36}{entry.cube:<22}{when:<18}{state}"


def _prune(args: argparse.Namespace) -> int:
    from data_prep.errors import DataError, Fault
    from experiments import runs, store

    if not args.where:
        remedy = 'say which, as in WHERE="stale=true" or WHERE="superseded=true"'
        raise DataError([Fault("every run would be removed", remedy, column="WHERE")])
    for folder in store.runs_folder().glob("*"):
        store.sweep(folder)
    chosen = runs.select_runs(args.where)
    for entry in chosen:
        print(_line(entry))
    if not args.yes:
        size = sum(entry.size for entry in chosen)
        print(f"{len(chosen)} runs, {size / 1e6:,.1f} MB: YES=1 removes them for good")
        return DONE
    freed = runs.prune(chosen)
    print(f"{len(chosen)} runs removed, {freed / 1e6:,.1f} MB set free")
    return DONE


def _export(args: argparse.Namespace) -> int:
    from experiments import runs, store

    run = store.resolve_run(args.run_name)
    entry = runs.read_entry(run)
    folder = args.to or store.exports_folder()
    path = runs.export_run(run, folder / f"{entry.experiment}-{entry.run}.zip")
    print(f"Exported: {path} ({path.stat().st_size / 1e6:.1f} MB)")
    return DONE


def _import(args: argparse.Namespace) -> int:
    from experiments.runs import import_run, read_entry
    from reports.run_report import render_run

    run, is_new = import_run(args.file)
    report = run / "report.html"
    if is_new or not report.is_file():
        render_run(run)
    print(f"{'Imported' if is_new else 'Already here'}: {os.fspath(run)}")
    print(_line(read_entry(run)))
    print(f"Report: {report}")
    return DONE
