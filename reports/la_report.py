"""One authority across models: what stored runs and published figures say of it.

Runs that are not reportable are named and give no numbers.
"""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from reports import figures_data, tables, wording
from reports.authorities import Quantity, against, quantities, rank_words, sureness
from reports.cube_file import CubeFile, Indicator, Series
from reports.data_report import profile_rows
from reports.figures import Panel, house_style, not_assessed
from reports.figures_authorities import chosen_panel
from reports.pages import environment, show_panel, write_page
from reports.run_folder import Run

SECTIONS = (
    ("models", "What the models say", "Models"),
    ("variants", "What variants say", "Variants"),
    ("published", "Published figures", "Published"),
    ("caveats", "What this cannot say", "Caveats"),
    ("sources", "Runs and sources", "Runs"),
)
SIDES = {
    "above": "clearly above",
    "below": "clearly below",
    "interval holds it": "not clearly apart from",
}


@dataclass(frozen=True)
class Source:
    """A stored run that may speak on the authority, and what changed since it was fitted."""

    folder: Path
    experiment: str
    model: str
    stale: tuple[str, ...] = ()

    @property
    def is_base(self) -> bool:
        """Whether it is the experiment that the model's own question names."""
        return self.experiment == self.model


def render_la_page(
    path: Path, cube_path: Path, la: int, sources: Sequence[Source], passed_over: int = 0
) -> Path:
    """Write the page of the authority at place ``la`` of the cube, and return its path.

    Parameters
    ----------
    path
        Where the page is written, whole or not at all.
    sources
        Stored runs, in the order in which they are shown.
    passed_over
        How many stored runs of the cube are not among them, for the record.

    Raises
    ------
    FileNotFoundError
        When there is no such cube, or a folder is no run.
    ValueError
        When the cube holds no authorities.
    """
    cube = CubeFile.read(Path(cube_path))
    with house_style():
        html = (
            environment()
            .get_template("la.html")
            .render(_context(cube, la, sources), passed_over=passed_over)
        )
    return write_page(path, html)


def _context(cube: CubeFile, la: int, sources: Sequence[Source]) -> dict[str, Any]:
    code = cube.las[la]
    stamp = wording.capital(cube.kind)
    label, peers = cube.peers[la]
    models: list[dict[str, Any]] = []
    variants: list[dict[str, str]] = []
    silent: list[dict[str, str]] = []
    rows: list[dict[str, str]] = []
    cannot_say: dict[str, list[str]] = {}
    for number_, source in enumerate(sources):
        with closing(Run.read(source.folder)) as run:
            verdict = tables.judge(run)
            rows.append(_source_row(run, source, verdict.headline))
            if not verdict.reportable:
                silent.append({"name": source.experiment, "why": verdict.detail})
                continue
            cannot_say.setdefault(
                str(run.spec.get("title") or source.model), list(run.spec.get("cannot_say", []))
            )
            if source.is_base:
                models.append(_model(run, source, code, number_, stamp))
            else:
                variants += _variant_rows(run, source, code)
    return {
        "cube": cube,
        "name": cube.la_names[la],
        "code": code,
        "region": _text(cube, "region", la),
        "kind": _text(cube, "la_type", la),
        "sections": SECTIONS,
        "headline": f"{wording.quantity(len(models), 'model')} and "
        f"{wording.quantity(len({row['experiment'] for row in variants}), 'variant')} speak on it",
        "models": models,
        "variants": variants,
        "silent": silent,
        "sources": rows,
        "cannot_say": {title: lines for title, lines in cannot_say.items() if lines},
        "peers_label": label,
        "peers": [cube.la_names[other] for other in peers],
        "years": cube.years,
        "published": published_rows(cube, la),
        "facts": [
            ("Cube", cube.name),
            ("Kind", cube.kind),
            ("Source and licence", str(cube.attributes.get("note") or "not given")),
            ("Cube hash (SHA-256)", str(cube.attributes.get("cube_hash") or "none")),
            ("To make this page again", f'make la-page LA="{cube.la_names[la]}" CUBE={cube.name}'),
        ],
        "profile": [show_panel(_profile(cube, la), stamp)],
    }


def _text(cube: CubeFile, name: str, la: int) -> str:
    return cube.texts("cube", name)[la] if name in cube.names("cube") else ""


# -- models --------------------------------------------------------------------------------------


def _model(run: Run, source: Source, code: str, number_: int, stamp: str) -> dict[str, Any]:
    """One model's section: its question, its quantities, or why there are none."""
    found = quantities(run)
    shown, unranked = [], []
    for quantity in found:
        if code not in quantity.table.index:
            continue
        if quantity.is_ranked:
            near = tuple(run.places.get("neighbours", {}).get(code, ()))
            panel = chosen_panel(run, quantity, code, near)
            panel = replace(
                panel, key=f"{number_}-{panel.key}", shows=sentence(run, quantity, code)
            )
            shown.append(show_panel(panel, stamp))
        else:
            unranked.append(_unranked(run, quantity, code))
    absent = [quantity.title for quantity in found if code not in quantity.table.index]
    return {
        "title": str(run.spec.get("title") or source.model),
        "question": str(run.spec.get("question", "")),
        "run": f"{source.experiment}/{source.folder.name}",
        "stale": list(source.stale),
        "misfits": tables.misfit_summary(tables.judge(run).misfits),
        "figures": shown,
        "unranked": unranked,
        "absent": absent,
        "has_authorities": bool(found),
    }


def sentence(run: Run, quantity: Quantity, code: str) -> str:
    """What is known of one authority: estimate, side of the reference, rank, neighbours."""
    row = _row(quantity, code)
    said = [
        f"{wording.estimate(row)}, {SIDES.get(against(row, quantity.reference), 'beside')} "
        f"{quantity.reference.words} ({wording.number(quantity.reference.value)})."
    ]
    near = [
        other
        for other in run.places.get("neighbours", {}).get(code, ())
        if other in quantity.table.index
    ]
    if near:
        lower, upper = (float(row[end]) for end in ("lower", "upper"))
        others = [_row(quantity, other) for other in near]
        below = sum(float(other["upper"]) < lower for other in others)
        above = sum(float(other["lower"]) > upper for other in others)
        said.append(
            f"Of {len(near)} statistical neighbours the intervals of {below} lie wholly below "
            f"its own and of {above} wholly above."
        )
    else:
        said.append("The cube names no statistical neighbours of it.")
    if words := rank_words(row):
        said.append(f"Rank {words}, 1 is the highest.")
    return " ".join([*said, sureness(row)])


def _row(quantity: Quantity, code: str) -> dict[str, Any]:
    return {str(key): value for key, value in quantity.table.loc[code].items()}


def _unranked(run: Run, quantity: Quantity, code: str) -> dict[str, str]:
    """A quantity that is not to be put in order, or whose ranks are not known."""
    definitions = {row["name"]: row.get("definition") for row in run.spec.get("estimands", [])}
    return {
        "title": quantity.title,
        "text": str(wording.estimate(_row(quantity, code))),
        "definition": str(definitions.get(quantity.estimand) or ""),
    }


def _variant_rows(run: Run, source: Source, code: str) -> list[dict[str, str]]:
    return [
        {
            "experiment": source.experiment,
            "run": source.folder.name,
            "stale": "stale" if source.stale else "",
            "title": quantity.title,
            "text": str(wording.estimate(_row(quantity, code))),
            "reference": f"{SIDES.get(against(_row(quantity, code), quantity.reference), '')} "
            f"{quantity.reference.words}",
            "rank": rank_words(_row(quantity, code)) or wording.NOT_ASSESSED,
        }
        for quantity in quantities(run)
        if quantity.is_ranked and code in quantity.table.index
    ]


def _source_row(run: Run, source: Source, headline: str) -> dict[str, str]:
    return {
        "experiment": source.experiment,
        "run": source.folder.name,
        "started": str(run.provenance.get("started", ""))[:10],
        "verdict": headline,
        "css": "pass" if tables.judge(run).reportable else "fail",
        "stale": "; ".join(source.stale),
        "command": str(run.provenance.get("command", "")),
    }


# -- published figures ---------------------------------------------------------------------------


def published_rows(cube: CubeFile, la: int) -> list[dict[str, Any]]:
    """Each indicator by year: the authority, England, and the median of its neighbours."""
    _, peers = cube.peers[la]
    rows = []
    for indicator in cube.indicators:
        series = cube.rates[indicator.name]
        own = series.at(la)
        if own.is_missing.all():
            continue
        rows.append(
            {
                "label": indicator.label,
                "unit": indicator.unit,
                "own": [cell_text(own, i) for i in range(len(cube.years))],
                "england": _england(cube, indicator),
                "peers": _median(series, peers) if peers else [],
            }
        )
    return rows


def cell_text(series: Series, i: int) -> str:
    """A number, bounds where it is hidden, or the reason why there is neither."""
    if series.has_number[i]:
        return _figure(series.value[i])
    if series.has_bounds[i]:
        lower, upper = _figure(series.lower[i]), _figure(series.upper[i])
        return lower if lower == upper else f"{lower} to {upper}"
    return str(series.reason[i])


def _figure(value: float) -> str:
    return wording.number(value, places=0 if abs(value) >= 1000 else 1)


def _england(cube: CubeFile, indicator: Indicator) -> list[str]:
    series = cube.rate(indicator, "national")
    if series is None:
        return []
    place = {year: i for i, year in enumerate(cube.national_years)}
    return [cell_text(series, place[year]) if year in place else "–" for year in cube.years]


def _median(series: Series, peers: Sequence[int]) -> list[str]:
    """Median of the neighbours that have a number; a dash where fewer than half have."""
    values = series.value[list(peers)]
    known = np.isfinite(values).sum(axis=0)
    return [
        _figure(float(np.nanmedian(values[:, i]))) if 2 * known[i] >= len(peers) else "–"
        for i in range(values.shape[1])
    ]


def _profile(cube: CubeFile, la: int) -> Panel:
    key, title = "profile", "Published figures by year"
    rates = cube.rates.values()
    if not cube.rates or all(series.at(la).is_missing.all() for series in rates):
        return not_assessed(key, title, "the cube holds no indicator of this authority")
    label, others = cube.peers[la]
    beside = f" Faint lines: {wording.within_sentence(label)}." if others else ""
    return Panel(
        key,
        title,
        figures_data.plot_profile(cube, la),
        alt=f"Small panels: indicators of {cube.la_names[la]} by year, beside England.",
        read="Dots are numbers as published, hollow dots on bars are hidden counts with their "
        f"bounds, a gap is a year without a figure. The dashed line is England.{beside}",
        shows="The table above has the same figures.",
        numbers=profile_rows(cube, la),
    )
