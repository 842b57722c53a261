"""The command `la-page`: one authority across models, from stored runs."""

import argparse
import logging
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from experiments.runs import Entry

DONE = 0


def add_commands(commands: Any) -> None:
    """Add this module's command to the command line."""
    command = commands.add_parser(
        "la-page", help="one authority across models, from the stored runs of a cube"
    )
    command.add_argument("--la", required=True, help="name, part of a name, or code")
    command.add_argument(
        "--cube",
        default="",
        help="name in results/cubes or path; the newest published cube, else simulated",
    )
    command.set_defaults(run=_la_page)


def _la_page(args: argparse.Namespace) -> int:
    from data_prep.profile import find_cube, find_la
    from data_prep.schema import load_cube
    from experiments import store
    from experiments.authorities import add_missing
    from experiments.runs import list_runs, stale_reasons

    path = store.cube_path(args.cube) if args.cube else find_cube("")
    tree = load_cube(path)
    cube = tree["cube"].to_dataset()
    place = find_la(args.la, cube)
    name = str(tree.attrs.get("name") or path.stem)
    log = logging.getLogger("experiments")
    chosen, passed_over = latest_runs(entry for entry in list_runs() if entry.cube == name)
    log.info("%d experiments are stored for %s", len(chosen), name)
    from reports.la_report import Source, render_la_page

    sources = []
    for entry in chosen:
        if entry.reportable:
            for reason in add_missing(entry.folder):
                log.info("%s: %s", entry.experiment, reason)
        sources.append(
            Source(entry.folder, entry.experiment, entry.model, tuple(stale_reasons(entry)))
        )
    la_name = str(cube["la_name"].values[place])
    slug = re.sub(r"[^a-z0-9]+", "-", la_name.lower()).strip("-")[:60]
    target = store.results_folder() / "authorities" / f"{name}-{slug}.html"
    target.parent.mkdir(parents=True, exist_ok=True)
    print(f"Page: {render_la_page(target, path, place, sources, passed_over)}")
    _tell(chosen)
    return DONE


def latest_runs(entries: Iterable["Entry"]) -> tuple[list["Entry"], int]:
    """The latest run of each experiment as its config file has it, base experiments first.

    Returns
    -------
    The runs, and how many were passed over because SET= changed values for them or because they
    cannot be read: these are specifications of a multiverse, or trials.
    """
    from experiments.runs import parse_command

    latest: dict[str, Entry] = {}
    passed_over = 0
    for entry in sorted(entries, key=lambda entry: entry.started):
        given = parse_command(str(entry.provenance.get("command", "")))
        if entry.unreadable or given is None or given["sets"]:
            passed_over += 1
        else:
            latest[entry.experiment] = entry
    return sorted(latest.values(), key=_order), passed_over


def _order(entry: "Entry") -> tuple[int, bool, str]:
    from models import CATALOGUE

    models = list(CATALOGUE)
    place = models.index(entry.model) if entry.model in models else len(models)
    return place, bool(entry.variant), entry.experiment


def _tell(chosen: Sequence["Entry"]) -> None:
    silent = [entry.experiment for entry in chosen if not entry.reportable]
    print(f"{len(chosen) - len(silent)} reportable runs speak on it")
    if silent:
        print(f"not reportable, no numbers given: {', '.join(silent)}")
