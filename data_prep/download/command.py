"""The command that downloads the official files.

Exit code 0 when all that is required is there, 1 when some is not, 2 for bad arguments, 130 when
interrupted; what came until then stays, and the next call goes on from there.
"""

import argparse
import fcntl
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from data_prep.download.catalogue import CATALOGUE, Hosts, NoKnownAddress, Source
from data_prep.download.client import Client
from data_prep.download.fetch import FAILED, INCOMING, Fetcher, Outcome
from data_prep.download.from_folder import TakenIn, take_in
from data_prep.download.manifest import Manifest
from data_prep.errors import DataError, Fault

DONE, INCOMPLETE, INTERRUPTED = 0, 1, 130


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    parser.add_argument("--out", type=Path, default=Path("data/raw"), help="folder to fill")
    parser.add_argument(
        "--only", nargs="+", default=[], metavar="NAME", help="sources by name; see --list"
    )
    parser.add_argument(
        "--list", action="store_true", dest="list_only", help="list the sources, fetch nothing"
    )
    parser.add_argument(
        "--from", type=Path, dest="folder", metavar="FOLDER", help="take in files from a folder"
    )


def run(args: argparse.Namespace) -> int:
    """Fetch what ``args`` ask for; the exit code.

    Raises
    ------
    DataError
        When an argument is bad, or another call is at work on the same folder.
    """
    sources = choose_sources(args.only)
    if args.list_only:
        print_sources(sources)
        return DONE
    with locked(args.out):
        manifest = Manifest(args.out)
        if args.folder is not None:
            return run_from_folder(args.folder, args.out, manifest, sources)
        return run_download(args.out, manifest, sources, Hosts(), bool(args.only))


def choose_sources(names: Sequence[str]) -> list[Source]:
    """Sources of the catalogue by name; all of them when none is named.

    Raises
    ------
    DataError
        With every name that is unknown.
    """
    known = {source.name: source for source in CATALOGUE}
    faults = [
        Fault(
            column="--only",
            value=name,
            problem="no such source",
            remedy=f"one of {', '.join(known)}",
        )
        for name in names
        if name not in known
    ]
    if faults:
        raise DataError(faults)
    return [known[name] for name in dict.fromkeys(names)] or list(CATALOGUE)


@contextmanager
def locked(out: Path) -> Iterator[None]:
    """Keep a second call away from the same folder while this one is at work.

    Raises
    ------
    DataError
        When another is at work, or the folder cannot be written.
    """
    try:
        (out / INCOMING).mkdir(parents=True, exist_ok=True)
        lock = (out / INCOMING / "lock.lock").open("w", encoding="utf-8")
    except OSError as error:
        raise DataError(
            [
                Fault(
                    file=str(out),
                    problem=f"cannot be written ({error.strerror})",
                    remedy="give a folder with --out",
                )
            ]
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DataError(
                [
                    Fault(
                        file=str(out),
                        problem="another download into this folder is under way",
                        remedy="wait for it to end",
                    )
                ]
            ) from error
        yield


class Reporter:
    """Shows what is fetched, how far it is and how long it takes: a moving line on a terminal,
    plain lines elsewhere.
    """

    def __init__(self, count: int, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True)
        self.count = count
        self.number = 0
        self._task: TaskID | None = None
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )

    def __enter__(self) -> "Reporter":
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def begin(self, source: Source) -> None:
        """Name the source that is next."""
        self.number += 1
        text = f"[{self.number}/{self.count}] {source.title}"
        if not self.console.is_terminal:
            self.say(text)
        if self._task is not None:
            self._bar.remove_task(self._task)
        self._task = self._bar.add_task(text.replace("[", r"\["), total=None)

    def progress(self, done: int, total: int | None) -> None:
        """Move the line to ``done`` of ``total`` bytes."""
        if self._task is not None:
            self._bar.update(self._task, completed=done, total=total)

    def end(self, outcome: Outcome) -> None:
        """Say what became of a source."""
        size = sum(entry.bytes for entry in outcome.fetched)
        text = f"{outcome.source.name}: {outcome.state}"
        if outcome.fetched:
            count = len(outcome.fetched)
            text += f", {count} file{'s' if count > 1 else ''}, {size / 1e6:.1f} MB"
        self.say(text)

    def say(self, text: str) -> None:
        """Print a line above the moving one."""
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)


def run_download(
    out: Path,
    manifest: Manifest,
    sources: Sequence[Source],
    hosts: Hosts,
    all_required: bool,
    client: Client | None = None,
) -> int:
    """Fetch ``sources``; one that fails does not stop the rest."""
    outcomes: list[Outcome] = []
    with Reporter(len(sources)) as reporter:
        client = client or Client(say=reporter.say)
        fetcher = Fetcher(client, hosts, out, manifest, progress=reporter.progress)
        try:
            for source in sources:
                reporter.begin(source)
                outcomes.append(fetcher.fetch(source))
                reporter.end(outcomes[-1])
        except KeyboardInterrupt:
            reporter.say("interrupted; the same command goes on from here")
            return INTERRUPTED
    print_outcomes(outcomes, manifest)
    failed = [outcome for outcome in outcomes if outcome.state == FAILED]
    required = [outcome for outcome in failed if outcome.source.required or all_required]
    return INCOMPLETE if required else DONE


def print_outcomes(outcomes: Sequence[Outcome], manifest: Manifest) -> None:
    """A table of all sources, then each failure with why and where to download by hand."""
    table = Table(box=None, pad_edge=False)
    for heading in ("source", "state", "files", "MB"):
        table.add_column(heading, justify="right" if heading in ("files", "MB") else "left")
    for outcome in outcomes:
        entries = [*outcome.fetched, *outcome.there]
        state = outcome.state
        if state == FAILED and not outcome.source.required:
            state = "failed (optional)"
        table.add_row(
            outcome.source.name,
            state,
            f"{len(entries)}/{len(outcome.source.members)}",
            f"{sum(entry.bytes for entry in entries) / 1e6:.1f}",
        )
    Console(width=100).print(table)
    for outcome in outcomes:
        if outcome.state != FAILED:
            continue
        print(f"\n{outcome.source.name}: {outcome.source.title}")
        for problem in dict.fromkeys(outcome.problems):
            print(f"  {problem}")
        print(f"  by hand: {outcome.source.landing_page}")
    if any(outcome.state == FAILED for outcome in outcomes):
        print(
            f"\nSave files downloaded by hand anywhere below {manifest.folder} and run again, or "
            "take them in with --from: files are known by what they hold."
        )
    if manifest.path.is_file():
        print(f"Record of every file: {manifest.path}")


def print_sources(sources: Sequence[Source]) -> None:
    """The catalogue, one source in two lines."""
    for source in sources:
        kinds = ", ".join(dict.fromkeys(locator.kind for locator in source.locators))
        need = "required" if source.required else "optional"
        sure = (
            ""
            if isinstance(source.locators[0], NoKnownAddress)
            else f", confidence {source.confidence}"
        )
        print(f"{source.name:18} {source.title}")
        print(f"{'':18} {need}, {kinds}{sure}, {source.landing_page}")


def run_from_folder(folder: Path, out: Path, manifest: Manifest, sources: Sequence[Source]) -> int:
    """Take in the files of ``folder``; 1 when one that is known could not be taken in.

    Raises
    ------
    DataError
        When there is no such folder, or it holds no file that is known.
    """
    result = take_in(folder, out, manifest, sources)
    if not (result.copied or result.there or result.refused):
        raise DataError(
            [
                Fault(
                    file=str(folder),
                    problem=f"no official file among {len(result.unknown)} tables, workbooks and "
                    "maps",
                    remedy="give a folder with files as their publishers made them",
                )
            ]
        )
    print_taken_in(result, manifest)
    return INCOMPLETE if result.refused else DONE


def print_taken_in(result: TakenIn, manifest: Manifest) -> None:
    """What was copied, what was there, what was refused, and what nothing knows."""
    for entry in result.copied:
        print(f"copied   {entry.path}: {entry.label or f'{entry.source}, {entry.member}'}")
    for text in result.there:
        print(f"there    {text}")
    for text in result.refused:
        print(f"refused  {text}", file=sys.stderr)
    for text in result.unknown:
        print(f"unknown  {text}")
    print(
        f"{len(result.copied)} copied, {len(result.there)} already there, "
        f"{len(result.refused)} refused, {len(result.unknown)} unknown"
    )
    print(f"Record of every file: {manifest.path}")
