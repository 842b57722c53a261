"""Commands behind make: list, check, fit, report, data-report, recover, calibrate, docs, and those
of the modules `commands_*`.

Exit codes: 0 reportable, 1 internal error, 2 bad input, 3 completed but not reportable, 130
interrupted.
"""

import argparse
import gc
import logging
import os
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from data_prep.errors import DataError
from data_prep.indicators import within_sentence
from experiments import (
    commands_compare,
    commands_findings,
    commands_fits,
    commands_la_page,
    commands_multiverse,
    commands_sensitivity,
    commands_site,
    commands_store,
)
from experiments.runtime import prepare_runtime
from models import CATALOGUE

if TYPE_CHECKING:
    import pandas as pd

    from experiments.config import Experiment

REPORTABLE, INTERNAL_ERROR, BAD_INPUT, NOT_REPORTABLE, INTERRUPTED = 0, 1, 2, 3, 130
# Estimands shown on the terminal after a fit: the headline ones, at most this many rows of each.
_ROWS_SHOWN = 4


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    parser = _parser()
    args = parser.parse_args(arguments)
    if args.command is None:
        parser.print_help()
        return BAD_INPUT
    prepare_runtime()
    _log_to_terminal()
    try:
        code: int = args.run(args)
        return code
    except DataError as error:
        print(f"error: {error}", file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        print(
            "\ninterrupted: nothing of this run is kept, earlier runs are untouched",
            file=sys.stderr,
        )
        return INTERRUPTED
    except Exception:
        traceback.print_exc()
        print("error: this is a fault of the program, not of your input", file=sys.stderr)
        return INTERNAL_ERROR


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m experiments", description=__doc__)
    commands = parser.add_subparsers(dest="command", metavar="command")
    listing = commands.add_parser("list", help="list models, their questions and experiments")
    listing.set_defaults(run=_list)
    for name, run, text in (
        ("check", _check, "check a config against its cube; compiles nothing"),
        ("fit", _fit, "fit, judge and report one experiment"),
    ):
        command = commands.add_parser(name, help=text)
        command.add_argument("--model", default="", help="see 'list'")
        command.add_argument("--variant", help="configs/<model>--<variant>.toml")
        command.add_argument("--cube", help="name in results/cubes or path of a cube")
        command.add_argument(
            "--set",
            action="append",
            default=[],
            dest="sets",
            metavar="PATH=VALUE",
            help="override one value by its full path, as options.outcome=section47; repeatable",
        )
        command.set_defaults(run=run)
        if name == "fit":
            command.add_argument("--force", action="store_true", help="fit again if already done")
    recover = commands.add_parser(
        "recover", help="recovery of known truth over simulated Englands of one definition"
    )
    recover.add_argument("--model", default="national_trend", choices=list(CATALOGUE))
    recover.add_argument("--seeds", type=int, default=20, help="simulated Englands")
    recover.set_defaults(run=_recover)
    _add_calibrate(commands)
    for module in (
        commands_fits,
        commands_compare,
        commands_multiverse,
        commands_findings,
        commands_sensitivity,
        commands_store,
        commands_site,
        commands_la_page,
    ):
        module.add_commands(commands)
    report = commands.add_parser("report", help="render the report of a run again")
    report.add_argument("--run", required=True, dest="run_name", help="id, its beginning, or path")
    report.set_defaults(run=_report)
    data = commands.add_parser("data-report", help="render the report of a cube")
    data.add_argument("--cube", required=True, help="name in results/cubes or path of a cube")
    data.set_defaults(run=_data_report)
    docs = commands.add_parser("docs", help="write the documentation pages that come from the code")
    docs.set_defaults(run=_docs)
    return parser


def _add_calibrate(commands: Any) -> None:
    command = commands.add_parser(
        "calibrate", help="simulation-based calibration: worlds from the model's own prior, fitted"
    )
    command.add_argument("--model", default="national_trend", choices=list(CATALOGUE))
    command.add_argument("--variant", help="configs/<model>--<variant>.toml")
    command.add_argument("--cube", help="cube whose skeleton is used: name or path")
    command.add_argument("--set", action="append", default=[], dest="sets", metavar="PATH=VALUE")
    command.add_argument("--replicates", type=_positive, default=200, help="worlds in all")
    command.add_argument("--at-most", type=_positive, help="fit no more than this many of them now")
    command.add_argument("--las", type=_positive, default=30, help="authorities of the skeleton")
    command.set_defaults(run=_calibrate)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a number from 1 upwards")
    return number


def _log_to_terminal() -> None:
    start = time.monotonic()

    class Elapsed(logging.Formatter):
        def format(self, record: logging.LogRecord) -> str:
            return f"[{time.monotonic() - start:6.1f} s] {record.getMessage()}"

    handler = logging.StreamHandler()
    handler.setFormatter(Elapsed())
    # Libraries speak at length about compiling; their words go to the log file, not the screen.
    handler.addFilter(logging.Filter("experiments"))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.INFO)


def _list(args: argparse.Namespace) -> int:
    from experiments.config import list_experiments

    print("Models:")
    for name, entry in CATALOGUE.items():
        print(f"  {name:<16} {entry.question}")
    print("\nExperiments (MODEL and, after the dashes, VARIANT):")
    for name, question in list_experiments():
        print(f"  {name:<40} {question}")
    return REPORTABLE


def _load(args: argparse.Namespace) -> "Experiment":
    from experiments.config import load_experiment

    return load_experiment(args.model, args.variant, args.sets, args.cube)


def _check(args: argparse.Namespace) -> int:
    from experiments.fit import prepare

    prepared = prepare(_load(args))
    used = prepared.experiment.spec.describe(prepared.observations)
    print(
        f"{prepared.experiment.name}: config and cube agree.\n"
        f"  cube     {used['cube']} ({used['kind']})\n"
        f"  cells    {used['used']} of {used['cells']} used, {used['interval']} as intervals\n"
        f"  run id   {prepared.run_id}"
    )
    for item in used["dropped"]:
        print(f"  dropped  {item['cells']} {item['reason']} ({', '.join(item['examples'])})")
    return REPORTABLE


def _fit(args: argparse.Namespace) -> int:
    if args.model not in CATALOGUE:
        _unknown_model(args.model)
        return BAD_INPUT
    from experiments import provenance, store
    from experiments.fit import fit, prepare

    logging.getLogger("experiments").info("checking the config and the cube ...")
    prepared = prepare(_load(args))
    done = store.find_run(prepared.experiment.name, prepared.run_id)
    if done and not args.force:
        print(
            f"Already fitted with this config, data and versions ({prepared.run_id}); "
            "FORCE=1 fits again."
        )
        run = done
    else:
        run = fit(prepared, provenance.command(args.model, args.variant, args.sets, args.cube))
    if run is not done or not (run / "report.html").is_file():
        _render(run)
    return _announce(run)


def _unknown_model(model: str) -> None:
    said = f"no model called {model!r}" if model else "which model?"
    print(
        f"error: {said} Use one of these, as in 'make fit MODEL=national_trend':", file=sys.stderr
    )
    for name, entry in CATALOGUE.items():
        print(f"  {name:<16} {entry.question}", file=sys.stderr)


def _recover(args: argparse.Namespace) -> int:
    from experiments.recovery import recover, summarise_recovery, write_recovery
    from experiments.runtime import ROOT

    table = recover(args.model, seeds=range(1, args.seeds + 1), simulation={"regime_scale": 0})
    path = ROOT / "docs" / "recovery" / f"{args.model}.csv"
    write_recovery(table, path)
    print(summarise_recovery(table).to_string(index=False, float_format="{:.3f}".format))
    print(f"written to {path.relative_to(ROOT)}")
    return REPORTABLE


def _calibrate(args: argparse.Namespace) -> int:
    from experiments.calibrate import plan_study, run_study
    from experiments.calibration_summary import verdict, write_summary
    from experiments.runtime import ROOT

    plan = plan_study(_load(args), las=args.las)
    try:
        run_study(plan, args.replicates, at_most=args.at_most)
    except KeyboardInterrupt:
        print("\ninterrupted: finished replicates are kept, the same command goes on from there")
        return INTERRUPTED
    summary = write_summary(plan, args.replicates)
    from reports.calibration_figure import write_figure

    write_figure(plan.folder, plan.folder / "calibration.png")
    sound, text = verdict(summary)
    shown = ["quantity", "coordinate", "p", "band", "coverage_50", "coverage_90", "least_ess"]
    print(summary[shown].to_string(index=False, float_format="{:.3f}".format))
    print(f"{text}\nwritten to {plan.folder}")
    if not (args.sets or args.cube):
        target = ROOT / "docs" / "calibration"
        target.mkdir(exist_ok=True)
        for name, suffix in (("summary.csv", ".csv"), ("calibration.png", ".png")):
            (target / f"{plan.name}{suffix}").write_bytes((plan.folder / name).read_bytes())
        print(f"copied to docs/calibration/{plan.name}.csv and .png")
    return REPORTABLE if sound else NOT_REPORTABLE


def _report(args: argparse.Namespace) -> int:
    from experiments import store
    from experiments.authorities import add_missing
    from experiments.runs import read_entry, stale_reasons

    run = store.resolve_run(args.run_name)
    stale = stale_reasons(read_entry(run))
    for reason in add_missing(run):
        print(f"Left out: {reason}")
    _render(run, stale)
    for reason in stale:
        print(f"Stale: {reason}")
    return _announce(run)


def _data_report(args: argparse.Namespace) -> int:
    from data_prep.schema import load_cube
    from experiments.store import cube_path

    path = cube_path(args.cube)
    # Refuses what is no cube, or no longer the cube that was built.
    load_cube(path)
    from reports.data_report import render_data_report

    print(f"Report: {render_data_report(path)}")
    return REPORTABLE


def _docs(args: argparse.Namespace) -> int:
    from experiments.documentation import DOCS, write_pages

    changed = write_pages()
    for path in changed:
        print(f"written: docs/{path.relative_to(DOCS)}")
    if not changed:
        print("every page says what the code says")
    return REPORTABLE


def _render(run: Path, stale: Sequence[str] = ()) -> None:
    logging.getLogger("experiments").info("writing the report ...")
    from reports.run_report import render_run

    render_run(run, stale, processes=os.cpu_count() or 1)


def _announce(run: Path) -> int:
    """Verdict, headline estimands and the report's path: the last screen of a fit."""
    import json

    import pandas as pd

    from experiments.store import read_verdict

    verdict = read_verdict(run)
    spec = json.loads((run / "spec.json").read_text())
    table = pd.read_csv(run / "estimands.csv")
    print(f"\n{spec['title']} on {spec['data']['cube']} ({spec['data']['kind']})")
    print(f"Verdict: {'REPORTABLE' if verdict['reportable'] else 'NOT REPORTABLE'}")
    for gate in verdict["gates"]:
        if gate["status"] != "pass":
            shown = (
                "" if gate["value"] is None else f" {gate['value']:.4g}, limit {gate['limit']:g}"
            )
            print(f"  {gate['status']}: {gate['label']}{shown} {gate['where']}")
    failed = {gate["name"] for gate in verdict["gates"] if gate["status"] == "fail"}
    if "divergences" in failed:
        print('  a slower, surer sampler may mend it: SET="sampler.target_accept=0.95"')
    elif failed & {"ess_bulk", "ess_tail", "r_hat"}:
        print('  longer chains may mend it: SET="sampler.draws=3000 sampler.tune=1000"')
    if verdict["loosened"]:
        print(f"  limits loosened by the config: {', '.join(verdict['loosened'])}")
    misfits = [
        within_sentence(check["label"])
        for check in verdict["predictive_checks"]
        if check["status"] == "misfit"
    ]
    if misfits:
        print(f"Named misfits: {'; '.join(misfits)}")
    print(f"\n{spec['answer']}\n")
    for estimand in spec["estimands"]:
        if estimand["headline"]:
            _print_estimand(table[table["estimand"] == estimand["name"]], estimand)
    labels = {estimand["name"]: estimand["label"] for estimand in spec["estimands"]}
    for item in spec["not_estimable"]:
        name = labels.get(item["estimand"], item["estimand"])
        print(f"  not estimable: {name}: {item['reason']}")
    print(f"\nReport: {run / 'report.html'}")
    return REPORTABLE if verdict["reportable"] else NOT_REPORTABLE


def _print_estimand(rows: "pd.DataFrame", estimand: dict[str, Any]) -> None:
    rows = rows.dropna(subset=["mean"])
    if rows.empty:
        return
    if len(rows) > _ROWS_SHOWN:
        rows = rows.iloc[[0, len(rows) // 2, -1]]
    from reports.wording import estimate

    for row in cast("list[dict[str, Any]]", rows.to_dict("records")):
        place = ", ".join(_place(row[c]) for c in estimand["coordinates"])
        # Rounded as in the report. A probability is a summary of the draws: it has no interval.
        said = estimate(row)
        interval = f"({said.interval}) " if said.interval else ""
        print(
            f"  {estimand['label'] + (f' {place}' if place else ''):<48}"
            f"{said.mean:>9}  {interval}{said.unit}"
        )


def _place(value: object) -> str:
    """A coordinate as one reads it: years are whole numbers, blanks made them floats."""
    text = f"{int(value)}" if isinstance(value, float) else str(value)
    return f"−{text[1:]}" if text.removeprefix("-").isdigit() and text[0] == "-" else text


if __name__ == "__main__":
    code = main()
    # On its way out Python looks through all that it holds for rubbish: a second and more after
    # a fit.
    gc.freeze()
    sys.exit(code)
