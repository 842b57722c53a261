"""The store of runs: an index that can be asked, what is stale and why, pruning, export, import.

Everything is read from run folders as they are, whichever version wrote them: what an older run
does not hold is left out, and what a later version wrote is named and left alone.
"""

import fnmatch
import hashlib
import io
import json
import os
import re
import shlex
import shutil
import tomllib
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import netCDF4

from data_prep.errors import DataError, Fault
from experiments import provenance, store
from models import CATALOGUE

# Layout of a run folder's documents that this version writes, and the latest that it can read.
SCHEMA = 1
ARCHIVE_SCHEMA = 1
MANIFEST = "manifest.json"
# The files of a run, and no others, travel.
FILES = (
    "config.toml",
    "spec.json",
    "provenance.json",
    "trace.nc",
    "diagnostics.csv",
    "estimands.csv",
    "ranks.csv",
    "places.json",
    "verdict.json",
    "sensitivity.json",
    "log.txt",
    "report.html",
)
FIELDS = (
    "run",
    "experiment",
    "model",
    "variant",
    "cube",
    "kind",
    "started",
    "reportable",
    "superseded",
    "stale",
)
# A stated date, so that the same run makes the same archive.
_DATE = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Entry:
    """One stored run, read for the index. ``unreadable`` says why it cannot be read, else blank."""

    folder: Path
    experiment: str
    run: str
    config: Mapping[str, Any]
    provenance: Mapping[str, Any]
    verdict: Mapping[str, Any]
    kind: str
    unreadable: str = ""

    @property
    def model(self) -> str:
        """The model's name; blank where the run does not say."""
        return str(self.config.get("model", ""))

    @property
    def variant(self) -> str:
        """What follows the dashes in the experiment's name."""
        return self.experiment.partition("--")[2]

    @property
    def cube(self) -> str:
        """The cube that was fitted, by name."""
        return str(self.provenance.get("cube", {}).get("name", ""))

    @property
    def started(self) -> str:
        """When the fit began, ISO 8601."""
        return str(self.provenance.get("started", ""))

    @property
    def reportable(self) -> bool:
        """Whether its verdict says so; a run without one is not."""
        return bool(self.verdict.get("reportable"))

    @cached_property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file())

    def failed(self) -> list[str]:
        """Names of the blocking gates that did not pass."""
        return [
            str(gate.get("name"))
            for gate in self.verdict.get("gates", [])
            if gate.get("blocking", True) and gate.get("status") != "pass"
        ]


def read_entry(folder: Path) -> Entry:
    """The small files of a run folder; what is absent stays empty."""
    documents: dict[str, Any] = {}
    unreadable = ""
    for name in ("spec", "provenance", "verdict"):
        try:
            documents[name] = _document(folder / f"{name}.json")
        except ValueError as error:
            documents[name], unreadable = {}, f"{name}.json is not valid JSON ({error})"
    try:
        path = folder / "config.toml"
        config = tomllib.loads(path.read_text()) if path.is_file() else {}
    except tomllib.TOMLDecodeError as error:
        config, unreadable = {}, f"config.toml is not valid TOML ({error})"
    schema = max(int(document.get("schema", 1)) for document in documents.values())
    if schema > SCHEMA:
        unreadable = f"written by a later version (schema {schema}, this one reads {SCHEMA})"
    return Entry(
        folder=folder,
        experiment=str(documents["provenance"].get("experiment") or folder.parent.name),
        run=folder.name,
        config=config,
        provenance=documents["provenance"],
        verdict=documents["verdict"],
        kind=str(documents["spec"].get("data", {}).get("kind", "")),
        unreadable=unreadable,
    )


def _document(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}


def list_runs() -> list[Entry]:
    """Every finished run, oldest first."""
    folders = [
        path.parent
        for path in store.runs_folder().glob("*/*/verdict.json")
        if not path.parent.name.startswith(".tmp-")
    ]
    return sorted(map(read_entry, folders), key=lambda e: (e.started, e.experiment, e.run))


def list_failures() -> list[dict[str, Any]]:
    """Fits that failed and are not stored since, as the scheduler recorded them, oldest first."""
    found = [_document(path) for path in store.failures_folder().glob("[!.]*.json")]
    return sorted(found, key=lambda failure: str(failure.get("when")))


# ----------------------------------------------------------------------------------- staleness


def stale_reasons(entry: Entry) -> list[str]:
    """Why a fit of the same experiment now would be another run; empty when it would not.

    A cube that is not here, or a command that cannot be read, is no sign of a change: what cannot
    be compared is not called stale.
    """
    if entry.unreadable:
        return []
    reasons = []
    now = _cube_hash_now(str(entry.config.get("data", {}).get("cube", "")))
    then = entry.provenance.get("cube", {}).get("hash")
    if now and then and now != then:
        reasons.append(f"cube {entry.cube} was built again with other contents")
    if entry.model not in CATALOGUE:
        return [*reasons, f"there is no model called {entry.model!r} any more"]
    then = entry.provenance.get("source_hash")
    if then and then != _source_hash_now(entry.model):
        reasons.append("code of the model, or of what it imports, changed")
    versions = entry.provenance.get("versions", {})
    reasons += [
        f"{name} was {versions[name]} and is {now}"
        for name, now in provenance.versions().items()
        if name in versions and versions[name] != now
    ]
    return reasons + _config_changes(entry)


@cache
def _cube_hash_now(cube: str) -> str:
    path = store.cube_path(cube)
    if not cube or not path.is_file():
        return ""
    try:
        with netCDF4.Dataset(path) as file:
            return str(getattr(file, "cube_hash", ""))
    except OSError:
        return ""


@cache
def _source_hash_now(model: str) -> str:
    from models import load_model

    return provenance.source_hash(load_model(model).observe.__module__)


def _config_changes(entry: Entry) -> list[str]:
    """Values of the config file that now differ from those of the run."""
    from experiments.config import load_experiment

    given = parse_command(str(entry.provenance.get("command", "")))
    if given is None or not entry.config:
        return []
    try:
        now = load_experiment(**given).resolved()
    except DataError as error:
        return [f"its config can no longer be read: {error.faults[0]}"]
    before, after = _leaves(entry.config), _leaves(now)
    changed = sorted(k for k in {*before, *after} if before.get(k) != after.get(k))
    # Meanings and reasons are words beside a prior; earlier versions stored an empty grid.
    telling = [k for k in changed if not k.endswith((".meaning", ".reason"))]
    telling = [k for k in telling if k.split(".")[0] not in ("multiverse", "question")]
    return [f"config file changed: {', '.join(telling)}"] if telling else []


def parse_command(command: str) -> dict[str, Any] | None:
    """What a stored make command asks for, as arguments of `load_experiment`; None if unclear."""
    try:
        words = shlex.split(command)
    except ValueError:
        return None
    given = dict(word.partition("=")[::2] for word in words if "=" in word)
    if words[:2] != ["make", "fit"] or "MODEL" not in given:
        return None
    return {
        "model": given["MODEL"],
        "variant": given.get("VARIANT"),
        "sets": given.get("SET", "").split(),
        "cube": given.get("CUBE"),
    }


def _leaves(document: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in document.items():
        path = f"{prefix}{key}"
        found |= _leaves(value, f"{path}.") if isinstance(value, Mapping) else {path: value}
    return found


# ------------------------------------------------------------------------------------- asking


@dataclass(frozen=True)
class Condition:
    """One ``field=value`` or ``field!=value`` of WHERE."""

    field: str
    value: str
    negated: bool

    def holds(self, entry: Entry, every: Sequence[Entry]) -> bool:
        """Whether a run meets it; ``*`` stands for anything."""
        known = _field(entry, self.field, every)
        return fnmatch.fnmatchcase(known.lower(), self.value.lower()) != self.negated


def select_runs(where: Sequence[str], entries: Sequence[Entry] | None = None) -> list[Entry]:
    """Runs that meet every condition.

    Raises
    ------
    DataError
        When a condition cannot be read or names no field.
    """
    entries = list_runs() if entries is None else entries
    conditions = parse_where(where, entries)
    # The cheap conditions first: what is stale takes the model's code to tell.
    conditions.sort(key=lambda condition: condition.field == "stale")
    return [e for e in entries if all(condition.holds(e, entries) for condition in conditions)]


def parse_where(where: Sequence[str], entries: Iterable[Entry]) -> list[Condition]:
    """Conditions from ``field=value`` texts; every fault at once."""
    options = {name for entry in entries for name in entry.config.get("options", {})}
    conditions, faults = [], []
    for text in where:
        match = re.fullmatch(r"([\w.]+)(!?=)(.*)", text)
        field = match[1].removeprefix("options.") if match else ""
        if not match:
            problem = "not of the form field=value"
        elif field not in FIELDS and field not in options:
            problem = f"no such field {field!r}"
        else:
            conditions.append(Condition(field, match[3], match[2] == "!="))
            continue
        known = ", ".join((*FIELDS, *sorted(options)))
        faults.append(
            Fault(problem, f"use field=value with one of: {known}", column="WHERE", value=text)
        )
    if faults:
        raise DataError(faults)
    return conditions


def _field(entry: Entry, name: str, every: Sequence[Entry]) -> str:
    if name == "stale":
        return _text(bool(stale_reasons(entry)))
    if name == "superseded":
        return _text(_is_superseded(entry, every))
    if name in FIELDS:
        return _text(getattr(entry, name))
    return _text(entry.config.get("options", {}).get(name, ""))


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return ",".join(map(_text, value)) if isinstance(value, (list, tuple)) else str(value)


def _is_superseded(entry: Entry, every: Sequence[Entry]) -> bool:
    """Whether a later repeat of the same id stands beside it."""
    own, _, number = entry.run.partition(".")
    later = [e.run.partition(".") for e in every if e.experiment == entry.experiment]
    return any(run == own and int(n or 1) > int(number or 1) for run, _, n in later)


# ------------------------------------------------------------------------------------- pruning


def prune(entries: Sequence[Entry]) -> int:
    """Remove runs; bytes set free. Each leaves the index at once, whatever happens after."""
    freed = 0
    for entry in entries:
        freed += entry.size
        gone = entry.folder.with_name(store.temporary_name(entry.run))
        os.rename(entry.folder, gone)
        shutil.rmtree(gone)
    return freed


# ---------------------------------------------------------------------------- export and import


def export_run(run: Path, target: Path) -> Path:
    """Write a run as one zip: its files and a manifest with the hash of each.

    The archive is written whole or not at all, and the same run makes the same bytes.
    """
    entry = read_entry(run)
    contents = {name: (run / name).read_bytes() for name in FILES if (run / name).is_file()}
    manifest = {
        "schema": ARCHIVE_SCHEMA,
        "experiment": entry.experiment,
        "run": entry.run.partition(".")[0],
        "files": {name: hashlib.sha256(data).hexdigest() for name, data in contents.items()},
    }
    text = json.dumps(manifest, indent=1) + "\n"
    with (
        store.whole(target) as partial,
        zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for name, data in {MANIFEST: text.encode(), **contents}.items():
            archive.writestr(zipfile.ZipInfo(name, _DATE), data, zipfile.ZIP_DEFLATED)
    return target


def import_run(archive: Path) -> tuple[Path, bool]:
    """Take a run from an archive into the store; its folder, and whether it was new here.

    A run of that id with the same contents is left as it is; one with other contents is kept, and
    the newcomer becomes its repeat. Reports may differ, for they can be rendered again.

    Raises
    ------
    DataError
        When the archive is none, was changed, or is not complete.
    """
    manifest, contents = _read_archive(archive)
    experiment, run = str(manifest["experiment"]), str(manifest["run"])
    here = store.runs_folder() / experiment
    for existing in sorted(here.glob(f"{run}*")):
        if all(
            (existing / name).is_file() and (existing / name).read_bytes() == data
            for name, data in contents.items()
            if name != "report.html"
        ):
            return existing, False
    with store.new_run(experiment, run) as folder:
        for name, data in contents.items():
            (folder / name).write_bytes(data)
    found = store.find_run(experiment, run)
    if found is None:
        raise RuntimeError(f"{experiment}/{run} was written and is not there")
    return found, True


def _read_archive(archive: Path) -> tuple[dict[str, Any], dict[str, bytes]]:
    def refuse(problem: str, column: str = "") -> DataError:
        remedy = "export the run again with 'make export RUN=<run-id>'"
        return DataError([Fault(problem, remedy, file=archive.name, column=column)])

    if not archive.is_file():
        raise refuse("no such file")
    try:
        with zipfile.ZipFile(io.BytesIO(archive.read_bytes())) as opened:
            contents = {name: opened.read(name) for name in opened.namelist()}
        manifest = json.loads(contents.pop(MANIFEST))
        schema, files = int(manifest["schema"]), dict(manifest["files"])
        names = (str(manifest["experiment"]), str(manifest["run"]))
    except (zipfile.BadZipFile, KeyError, ValueError, TypeError) as error:
        raise refuse(f"not an archive of a run ({error})") from error
    if schema > ARCHIVE_SCHEMA:
        raise refuse(f"written by a later version (schema {schema})")
    if not all(re.fullmatch(r"[\w-]+", name) for name in names):
        raise refuse(f"names no run: {'/'.join(names)}")
    for name, digest in files.items():
        if name not in FILES:
            raise refuse("a file that no run has", name)
        if name not in contents:
            raise refuse("a file of its manifest is missing", name)
        if hashlib.sha256(contents[name]).hexdigest() != digest:
            raise refuse("contents do not match the manifest", name)
    if extra := set(contents) - set(files):
        raise refuse("a file that the manifest does not list", ", ".join(sorted(extra)))
    if missing := {"spec.json", "verdict.json", "estimands.csv"} - set(files):
        raise refuse("not a whole run", ", ".join(sorted(missing)))
    return manifest, contents
