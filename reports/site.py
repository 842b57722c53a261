"""All stored pages under one index: a folder that opens without a server, and a zip of it.

The folder is laid out as the folder of results is, so that links between pages hold in both. Each
page is copied as it stands, with a line of navigation; nothing is rendered again here.
"""

import base64
import json
import os
import re
import shutil
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import quote

import netCDF4
import pandas as pd

from reports.findings_report import CSS, summary
from reports.pages import download, environment
from reports.wording import capital, count, listing, number, quantity

# A stated date, so that the same pages make the same archive.
_DATE = (1980, 1, 1, 0, 0, 0)
# Every page opens its content with this; the line of navigation goes before it.
_CONTENT = "<header>"


@dataclass(frozen=True)
class StoredRun:
    """A run for the index; ``stale`` says what changed since, ``unreadable`` why it is unread."""

    folder: Path
    reportable: bool
    failed: tuple[str, ...]
    unreadable: str
    stale: tuple[str, ...]

    @property
    def experiment(self) -> str:
        return self.folder.parent.name

    @property
    def report(self) -> Path:
        """Its page, whether or not it is there."""
        return self.folder / "report.html"

    @cached_property
    def documents(self) -> dict[str, Any]:
        """`spec.json`, `verdict.json` and `provenance.json`; empty where unreadable."""
        if self.unreadable:
            return {"spec": {}, "verdict": {}, "provenance": {}}
        return {name: _json(self.folder / f"{name}.json") for name in ("spec", "verdict")} | {
            "provenance": _json(self.folder / "provenance.json")
        }


@dataclass(frozen=True)
class Site:
    """What was built: ``pages`` beside the index, ``absent`` runs without a report."""

    index: Path
    archive: Path
    pages: int
    absent: int
    size: int


@dataclass
class _Builder:
    """A site under way, in a temporary folder."""

    results: Path
    folder: Path
    pages: int = 0

    def add(self, source: Path, stale: Sequence[str] = ()) -> str:
        """Copy a page with navigation; its address from the index, blank where there is none."""
        if not source.is_file():
            return ""
        relative = source.relative_to(self.results)
        html = source.read_text(encoding="utf-8")
        before, found, after = html.partition(_CONTENT)
        if found:
            html = f"{before}{_navigation(len(relative.parts) - 1, stale)}{found}{after}"
        self.write(relative, html)
        return "/".join(quote(part, safe="") for part in relative.parts)

    def write(self, relative: Path, html: str) -> None:
        """Write a page of the site."""
        target = self.folder / relative
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(html, encoding="utf-8")
        self.pages += 1


def build_site(
    results: Path,
    runs: Sequence[StoredRun],
    failures: Sequence[Mapping[str, Any]],
    *,
    calibration: Path,
    rules: str = "",
) -> Site:
    """Build ``site`` and ``site.zip`` in the folder of results, whole or not at all.

    ``calibration`` is the folder of calibration studies: a CSV and a PNG for each. ``rules`` is the
    SHA-256 of the rules by which findings would be judged now.
    """
    target, archive = results / "site", results / "site.zip"
    partial = results / f".tmp-site-{os.getpid()}"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        site = _Builder(results, partial)
        rows = [_run_row(run, site) for run in reversed(runs)]
        studies = calibration_studies(calibration)
        if studies:
            site.write(
                Path("calibration.html"),
                _render("calibration.html", studies=studies),
            )
        stale = frozenset((run.experiment, run.folder.name) for run in runs if run.stale)
        index = _render(
            "site.html",
            runs=rows,
            failures=failures_by_reason(failures),
            findings=[
                _findings_row(path, site, stale, rules) for path in _folders(results / "findings")
            ],
            comparisons=[_comparison_row(path, site) for path in _folders(results / "comparisons")],
            multiverses=[_multiverse_row(path, site) for path in _folders(results / "multiverse")],
            cubes=[_cube_row(path, site) for path in sorted((results / "cubes").glob("*.nc"))],
            others=[_other_row(path, site) for path in _other_pages(results)],
            studies=studies,
            headline=headline(runs),
            state="plain" if all(_is_good(run) for run in runs) else "fail",
        )
        pages = site.pages
        site.write(Path("index.html"), index)
        _zip(partial, archive)
        shutil.rmtree(target, ignore_errors=True)
        os.replace(partial, target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    size = sum(path.stat().st_size for path in target.rglob("*") if path.is_file())
    absent = sum(not run.report.is_file() for run in runs)
    return Site(target / "index.html", archive, pages, absent, size)


def failures_by_reason(failures: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Fits that failed for the same reason but for their ids, as one row: ``experiment, reason``
    and ``ids``.
    """
    groups: dict[tuple[str, str], list[str]] = {}
    for one in failures:
        run_id = str(one.get("run_id", ""))
        reason = str(one.get("reason", ""))
        if run_id:
            reason = reason.replace(run_id, "(its id)")
        groups.setdefault((str(one.get("experiment", "")), reason), []).append(run_id)
    return [
        {"experiment": experiment, "reason": reason, "ids": ids}
        for (experiment, reason), ids in groups.items()
    ]


def _is_good(run: StoredRun) -> bool:
    return run.reportable and not run.unreadable and not run.stale


def headline(runs: Sequence[StoredRun]) -> str:
    """How many runs are stored and how they stand, zeros printed."""
    unfit = sum(not run.reportable for run in runs)
    stale = sum(bool(run.stale) for run in runs)
    return f"{quantity(len(runs), 'run')}: {count(unfit)} not reportable, {count(stale)} stale"


def _folders(parent: Path) -> list[Path]:
    if not parent.is_dir():
        return []
    return sorted(path for path in parent.iterdir() if path.is_dir() and path.name[0] != ".")


def _json(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}


def _render(template: str, **context: Any) -> str:
    return environment().get_template(template).render(**context)


def _navigation(depth: int, stale: Sequence[str]) -> str:
    return _render("navigation.html", home="../" * depth, stale_since=stale)


# ------------------------------------------------------------------------------ rows of the index


def _run_row(run: StoredRun, site: _Builder) -> dict[str, Any]:
    spec, verdict, provenance = (run.documents[name] for name in ("spec", "verdict", "provenance"))
    checks = verdict.get("predictive_checks", [])
    misfits = [str(check["label"]) for check in checks if check["status"] == "misfit"]
    href = site.add(run.report, stale=run.stale)
    states = ["reportable" if run.reportable else "not-reportable"]
    states += ["stale"] if run.stale else []
    states += [] if href else ["no-report"]
    return {
        "href": href,
        "experiment": run.experiment,
        "run": run.folder.name,
        "question": spec.get("question") or "",
        "settings": _settings(str(provenance.get("command", ""))),
        "cube": provenance.get("cube", {}).get("name", ""),
        "kind": spec.get("data", {}).get("kind", ""),
        "reportable": run.reportable,
        "failed": listing(run.failed, 4),
        "unreadable": run.unreadable,
        "stale": "; ".join(run.stale),
        "misfits": listing(misfits, 3),
        "started": str(provenance.get("started", ""))[:16].replace("T", " "),
        "states": " ".join(states),
    }


def _settings(command: str) -> str:
    """What a run's command changes of its experiment, the sampler aside: it moves no answer."""
    found = re.search(r'SET="([^"]*)"', command)
    given = found[1].split() if found else []
    return " ".join(
        text.removeprefix("options.").removeprefix("data.")
        for text in given
        if not text.startswith("sampler.") and not text.endswith("=")
    )


def _findings_row(
    folder: Path, site: _Builder, stale: frozenset[tuple[str, str]], rules: str
) -> dict[str, Any]:
    document = _json(folder / "findings.json")
    findings = document.get("findings", [])
    reasons = stale_findings(document, site.results, stale, rules)
    return {
        "href": site.add(folder / "findings.html", stale=reasons),
        "name": document.get("cube", {}).get("name", folder.name),
        "kind": document.get("cube", {}).get("kind", ""),
        "headline": summary(findings)["headline"] if findings else "",
        "findings": [{**one, "css": CSS[one["state"]]} for one in findings],
        "stale": "; ".join(reasons),
    }


def stale_findings(
    document: Mapping[str, Any], results: Path, stale: frozenset[tuple[str, str]], rules: str
) -> list[str]:
    """Why findings would be judged otherwise now: their cube, their rules or their runs changed."""
    reasons = []
    cube = document.get("cube", {})
    path = results / "cubes" / f"{cube.get('name', '')}.nc"
    if path.is_file() and _cube_attributes(path)["cube_hash"] != cube.get("hash"):
        reasons.append("the cube was built again with other contents")
    config = document.get("config", {})
    if rules and config.get("file") == "findings.toml" and config.get("hash") != rules:
        reasons.append("the rules changed")
    cited = {
        (part.get("experiment"), part.get("run"))
        for finding in document.get("findings", [])
        for part in finding["parts"]
    }
    if old := len(cited & stale):
        reasons.append(
            f"{quantity(old, 'run')} that they rest on {'is' if old == 1 else 'are'} stale"
        )
    return reasons


def _comparison_row(folder: Path, site: _Builder) -> dict[str, Any]:
    document = _json(folder / "comparison.json")
    runs = document.get("runs", [])
    return {
        "href": site.add(folder / "report.html"),
        "name": folder.name,
        "title": document.get("title", ""),
        "runs": listing([str(run["name"]) for run in runs], 6),
        "kind": ", ".join(dict.fromkeys(str(run.get("cube", "")) for run in runs)),
        "unfit": listing([str(run["name"]) for run in runs if not run["reportable"]], 6),
        "refused": "; ".join(document.get("refused", [])),
    }


def _multiverse_row(folder: Path, site: _Builder) -> dict[str, Any]:
    document = _json(folder / "multiverse.json")
    path = folder / "cells.csv"
    states = pd.read_csv(path)["state"].value_counts() if path.is_file() else pd.Series(dtype=int)
    good = int(states.get("reportable", 0))
    asked = int(states.sum() - states.get("left out", 0))
    return {
        "href": site.add(folder / "report.html"),
        "name": folder.name,
        "question": document.get("question", ""),
        "cube": document.get("cube", ""),
        "kind": document.get("kind", ""),
        "good": count(good),
        "asked": count(asked),
        "whole": good == asked,
    }


def _cube_row(path: Path, site: _Builder) -> dict[str, Any]:
    href = site.add(path.with_suffix(".report.html"))
    return {"href": href, "name": path.stem, **_cube_attributes(path)}


def _cube_attributes(path: Path) -> dict[str, str]:
    with netCDF4.Dataset(path) as file:
        return {name: str(getattr(file, name, "")) for name in ("title", "kind", "cube_hash")}


def _other_pages(results: Path) -> list[Path]:
    """Pages of a kind that the index has no place of its own for, such as those of authorities."""
    known = ("site", "runs", "findings", "comparisons", "multiverse", "cubes")
    folders = [path for path in _folders(results) if path.name not in known]
    return sorted(page for folder in folders for page in folder.rglob("*.html"))


def _other_row(path: Path, site: _Builder) -> dict[str, Any]:
    title = re.search(r"<title>(.*?)</title>", path.read_text(encoding="utf-8"), re.DOTALL)
    # The title stands in the page as markup; the index escapes it anew.
    return {"href": site.add(path), "title": unescape(title[1]) if title else path.stem}


def calibration_studies(folder: Path) -> list[dict[str, Any]]:
    """Every study that has a table and a picture, as the page of calibration prints it."""
    studies = []
    for path in sorted(folder.glob("*.csv")):
        picture = path.with_suffix(".png")
        if not picture.is_file():
            continue
        table = pd.read_csv(path, keep_default_na=False)
        first = table.iloc[0]
        outside = int((table["band"] == "outside").sum())
        model, _, variant = path.stem.partition("--")
        studies.append(
            {
                "key": path.stem,
                "name": capital(model.replace("_", " ")) + (f", {variant}" if variant else ""),
                "finished": first["status"] == "finished" and int(first["failed"]) == 0,
                "status": f"{count(first['replicates'])} of {count(first['asked'])} worlds, "
                f"{first['status']}: {count(first['failed'])} failed, "
                f"{count(first['divergent'])} had divergent transitions, "
                f"{count(first['lengthened'])} needed longer chains",
                "outside": f"{count(outside)} of {quantity(len(table), 'quantity', 'quantities')} "
                f"outside their 95% band, about {count(len(table) / 20)} expected by chance",
                "picture": _picture(picture),
                "csv": download(path),
                "rows": [_calibration_row(row) for row in table.to_dict("records")],
            }
        )
    return studies


def _calibration_row(row: Mapping[Any, Any]) -> dict[str, Any]:
    def coverage(name: str) -> str:
        low, high = (number(row[f"{name}_{end}"], places=2) for end in ("lower", "upper"))
        return f"{number(row[name], places=2)} ({low} to {high})"

    return {
        "quantity": row["quantity"],
        "at": row["coordinate"],
        "outside": row["band"] == "outside",
        "p": number(row["p"], places=3),
        "half": coverage("coverage_50"),
        "most": coverage("coverage_90"),
    }


def _picture(path: Path) -> str:
    return f"data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}"


def _zip(folder: Path, target: Path) -> None:
    """The folder as one archive with ``site`` at its root, whole or not at all."""
    partial = target.with_name(f".tmp-{target.name}-{os.getpid()}")
    try:
        with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(path for path in folder.rglob("*") if path.is_file()):
                name = f"site/{path.relative_to(folder).as_posix()}"
                archive.writestr(
                    zipfile.ZipInfo(name, _DATE), path.read_bytes(), zipfile.ZIP_DEFLATED
                )
        os.replace(partial, target)
    finally:
        partial.unlink(missing_ok=True)
