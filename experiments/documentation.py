"""Documentation pages written from the code: one for each model, the measures, the config file.

Each prior, option, estimand and definition has its home in the code; these pages are copies for
readers. `make docs` writes them and a test fails when a committed page differs from the code.
"""

import inspect
import sys
import tomllib
from collections.abc import Hashable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import BaseModel, ValidationError

from data_prep.download.catalogue import CATALOGUE as DOWNLOADS
from data_prep.indicators import INDICATORS, MEASURES, Measure
from experiments.config import CONFIGS, Config, list_experiments
from experiments.diagnostics import INTERVAL
from experiments.findings_config import Finding, Findings, Needed, Part, Rule
from experiments.grid import Exclusion, Multiverse
from experiments.runtime import ROOT
from models import CATALOGUE, load_model
from models.priors import DISTRIBUTIONS, Prior
from models.spec import ModelSpec

DOCS = ROOT / "docs"
_HEADER = "<!-- Written from the code by `make docs`: change the code, not this page. -->"
# Bounds as JSON schema names them, and as a reader does.
_BOUNDS = {
    "minimum": "at least {}",
    "exclusiveMinimum": "above {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "below {}",
}


def pages(docs: Path = DOCS) -> dict[Path, str]:
    """Every generated page by its path below ``docs``; results of studies are read from there."""
    written = {
        Path("models") / f"{name}.md": _model_page(load_model(name), docs) for name in CATALOGUE
    }
    written[Path("measures.md")] = _measures_page()
    written[Path("configuration.md")] = _configuration_page()
    written[Path("data.md")] = _data_page()
    return written


def write_pages(docs: Path = DOCS) -> list[Path]:
    """Write all pages below ``docs``; the paths of those that changed."""
    changed = []
    for relative, text in pages(docs).items():
        path = docs / relative
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            changed.append(path)
    return changed


# ------------------------------------------------------------------------------------ models


def _model_page(spec: ModelSpec, docs: Path) -> str:
    options = spec.options()
    described = inspect.cleandoc(sys.modules[spec.observe.__module__].__doc__ or "")
    # The docstring opens with the question, which stands above it.
    _, _, body = described.partition("\n\n")
    sections = [
        _HEADER,
        f"# {spec.title}",
        f"**{spec.question}**",
        f"Fit: `make fit MODEL={spec.name}`. Source: [`models/{spec.name}.py`]"
        f"(../../models/{spec.name}.py). Terms: [glossary](../GLOSSARY.md).",
        "## Model",
        body,
        "With the default options:",
        _block(spec.equations(options)),
        "## Options",
        'Set one with `SET="options.<name>=<value>"` or in a variant\'s `[options]`.',
        _options_table(spec.options),
        *_option_equations(spec, options),
        "## Priors",
        *_priors(spec),
        "## Estimands",
        f"Units are those of the default options. Intervals are {INTERVAL}. Headline estimands "
        "are printed when a fit ends.",
        _table(
            ("Estimand", "Label", "Unit", "Definition", "About", "By", "Headline"),
            (
                (
                    f"`{estimand.name}`",
                    estimand.label,
                    estimand.unit,
                    estimand.definition,
                    estimand.about,
                    ", ".join(estimand.coordinates),
                    "yes" if estimand.headline else "",
                )
                for estimand in spec.declared_estimands(options)
            ),
        ),
        "## Assumptions",
        _bullets(spec.assumptions),
        "## What it cannot say",
        _bullets(spec.cannot_say),
        "## Variables by block",
        "Convergence is reported block by block. Which variables exist depends on the options.",
        _table(
            ("Block", "Variables"),
            (
                (block.name, ", ".join(f"`{variable}`" for variable in block.variables))
                for block in spec.blocks(options)
            ),
        ),
        "## Experiments",
        _experiments_table(spec.name),
        *_recovery(spec, docs / "recovery" / f"{spec.name}.csv"),
        *_calibration(spec, docs / "calibration" / f"{spec.name}.csv"),
    ]
    return _page(sections)


def _options_table(options: type[BaseModel]) -> str:
    schema = options.model_json_schema()["properties"]
    return _table(
        ("Option", "Default", "Choices", "Meaning"),
        (
            (
                f"`{name}`",
                f"`{_value(field.default)}`",
                _choices(schema[name], field.default),
                schema[name].get("description", ""),
            )
            for name, field in options.model_fields.items()
        ),
    )


def _choices(schema: Mapping[str, Any], default: object) -> str:
    if "enum" in schema:
        return ", ".join(f"`{choice}`" for choice in schema["enum"])
    if schema.get("type") == "boolean":
        return "`true`, `false`"
    if isinstance(default, str) and default in MEASURES:
        return "a count of [measures](../measures.md)"
    return _bounds(schema)


def _bounds(schema: Mapping[str, Any]) -> str:
    return ", ".join(text.format(schema[key]) for key, text in _BOUNDS.items() if key in schema)


def _option_equations(spec: ModelSpec, default: BaseModel) -> list[str]:
    """Lines of the equations that another value of one option adds or takes away."""
    usual = spec.equations(default)
    rows = []
    for name, schema in type(default).model_json_schema()["properties"].items():
        values = [False, True] if schema.get("type") == "boolean" else schema.get("enum", [])
        for value in values:
            if value == getattr(default, name):
                continue
            try:
                chosen = type(default).model_validate(default.model_dump() | {name: value})
            except ValidationError:
                # Options may exclude each other: then there is nothing to show.
                continue
            lines = spec.equations(chosen)
            new = [line for line in lines if line not in usual]
            gone = [line for line in usual if line not in lines]
            if new:
                text = "; ".join(f"`{line}`" for line in new)
            elif gone:
                text = "without " + "; ".join(f"`{line}`" for line in gone)
            else:
                continue
            rows.append((f"`{name} = {_value(value)}`", text))
    if not rows:
        return []
    return ["What another choice changes in the equations:", _table(("Choice", "Lines"), rows)]


def _priors(spec: ModelSpec) -> list[str]:
    override = "Override one in a variant's `[priors.<name>]`, with a reason."
    if spec.declare_priors is not None:
        return [
            f"They depend on the options and the data; the report of a run lists all. {override}"
        ]
    return [
        "Which of them a run uses depends on its options and data; its report lists those alone. "
        f"{override}",
        _priors_table(spec.priors.values()),
    ]


def _priors_table(priors: Iterable[Prior]) -> str:
    return _table(
        ("Prior", "Distribution", "On the natural scale", "Reason"),
        (
            (f"`{prior.name}`", f"`{_distribution(prior)}`", prior.meaning, prior.reason)
            for prior in priors
        ),
    )


def _distribution(prior: Prior) -> str:
    listed = ", ".join(f"{name}={value:g}" for name, value in prior.parameters.items())
    return f"{prior.distribution}({listed})"


def _experiments_table(model: str) -> str:
    rows = []
    for name, question in list_experiments():
        base, _, variant = name.partition("--")
        if base != model:
            continue
        document = tomllib.loads((CONFIGS / f"{name}.toml").read_text(encoding="utf-8"))
        differs = "; ".join(f"`{line}`" for line in _leaves(document) if variant)
        rows.append((f"`{variant}`" if variant else "(base)", question, differs))
    return _table(("VARIANT", "Question", "Differs from the base in"), rows)


def _leaves(document: Mapping[str, Any], path: str = "") -> list[str]:
    """`section.key = value` of everything set below the top level of a config."""
    found = []
    for key, value in document.items():
        here = f"{path}.{key}" if path else key
        if isinstance(value, dict):
            found += _leaves(value, here)
        elif path:
            found.append(f"{here} = {_value(value)}")
    return found


def _recovery(spec: ModelSpec, path: Path) -> list[str]:
    if not path.is_file():
        return []
    labels = {item.name: item.label for item in spec.declared_estimands(spec.options())}
    table = pd.read_csv(path)
    seeds = int(table["seeds"].max())
    return [
        "## Recovery of known truth",
        f"{seeds} simulated Englands of one process with fixed parameters, each with authorities, "
        "yearly movements and counts of its own. Bias is the mean error in posterior standard "
        "deviations, with its standard error over seeds. Coverage is that of the "
        f"{INTERVAL} interval, with its 95 % binomial interval over the trials that are taken as "
        "independent. With fixed parameters neither need be exact: a prior that alone identifies "
        "a parameter moves them (see "
        "[the decision](../decisions/recovery-and-prior-identified-offsets.md)).",
        _table(
            ("Estimand", "Values", "Bias / sd", "Coverage", "Trials", "R-hat", "ESS"),
            (
                (
                    labels.get(str(row["estimand"]), str(row["estimand"])),
                    f"{row['values']:,}",
                    f"{row['bias_over_sd']:+.2f} ± {row['bias_standard_error']:.2f}",
                    f"{row['coverage']:.3f} ({row['coverage_lower']:.3f} to "
                    f"{row['coverage_upper']:.3f})",
                    f"{row['trials']:,}",
                    f"{row['worst_r_hat']:.3f}",
                    f"{row['least_ess']:.0f}",
                )
                for row in table.to_dict("records")
            ),
        ),
    ]


def _calibration(spec: ModelSpec, path: Path) -> list[str]:
    if not path.is_file():
        return []
    table = pd.read_csv(path, keep_default_na=False)
    first, outside = table.iloc[0], int((table["band"] == "outside").sum())

    def coverage(row: dict[Hashable, Any], percent: int) -> str:
        name = f"coverage_{percent}"
        return f"{row[name]:.2f} ({row[f'{name}_lower']:.2f} to {row[f'{name}_upper']:.2f})"

    return [
        "## Calibration",
        f"{first['replicates']} of {first['asked']} worlds drawn from the model's own prior "
        f"({first['status']}), published as counts are, and fitted: {first['failed']} failed, "
        f"{first['divergent']} had divergent transitions, {first['lengthened']} needed longer "
        f"chains; none was discarded. {outside} of {len(table)} quantities leave the simultaneous "
        f"95 % band of uniform ranks; about {len(table) / 20:.0f} would by chance. Coverage of "
        "50 and 90 % intervals has its 95 % binomial interval. How to read it: "
        "[the decision](../decisions/calibration.md).",
        f"![ECDF of ranks less uniform, a panel for each quantity](../calibration/{path.stem}.png)",
        _table(
            ("Quantity", "At", "p", "Band", "Coverage of 50 %", "Coverage of 90 %", "ESS"),
            (
                (
                    f"`{row['quantity']}`",
                    row["coordinate"],
                    f"{row['p']:.3f}",
                    row["band"],
                    coverage(row, 50),
                    coverage(row, 90),
                    f"{float(row['least_ess']):.0f}" if row["least_ess"] != "" else "",
                )
                for row in table.to_dict("records")
            ),
        ),
    ]


# -------------------------------------------------------------------------- data and configs


def _measures_page() -> str:
    sections = [
        _HEADER,
        "# Measures and indicators",
        "A measure is a published column of a cube; an indicator is one measure over another. "
        "Years are financial years ending 31 March. Source: "
        "[`data_prep/indicators.py`](../data_prep/indicators.py). Which years a cube holds is "
        "printed when it is built.",
    ]
    for source in dict.fromkeys(measure.source for measure in MEASURES.values()):
        own = [measure for measure in MEASURES.values() if measure.source == source]
        sections += [
            f"## {source}",
            _table(
                ("Measure", "Label", "Unit", "Definition", "Part of", "Changes of definition"),
                (
                    (
                        f"`{measure.name}`",
                        measure.label,
                        measure.units + ("" if measure.is_count else " (not a count)"),
                        measure.definition,
                        f"`{measure.parent}`" if measure.parent else "",
                        _regimes(measure),
                    )
                    for measure in own
                ),
            ),
        ]
    sections += [
        "## Indicators",
        "A share's numerator is a true part of its denominator; a rate's is not.",
        _table(
            ("Indicator", "Label", "Numerator", "Denominator", "Per", "Kind"),
            (
                (
                    f"`{item.name}`",
                    item.label,
                    f"`{item.numerator}`",
                    f"`{item.denominator}`",
                    f"{item.per:,}",
                    "share" if item.is_share else "rate",
                )
                for item in INDICATORS.values()
            ),
        ),
    ]
    return _page(sections)


def _regimes(measure: Measure) -> str:
    found = []
    for regime in measure.regimes:
        first, last = regime.first_year, regime.last_year
        if first is None:
            span = f"to {last}"
        elif last is None:
            span = f"from {first}"
        else:
            span = str(first) if first == last else f"{first}-{last}"
        found.append(f"{regime.name} ({span})")
    return "; ".join(found)


def _configuration_page() -> str:
    sections = [
        _HEADER,
        "# The config file of an experiment",
        "`experiments/configs/<model>.toml` is a model's base; "
        "`experiments/configs/<model>--<variant>.toml` shows only what differs from it. An unknown "
        "key, a wrong type or a value out of bounds is refused before anything compiles, every "
        'fault at once. `SET="section.key=value"` overrides a single value.',
        "At the top level stand `question` (text, required) and `model` (set by the base).",
    ]
    for name in ("data", "sampler", "gates"):
        section = Config.model_fields[name].annotation
        assert isinstance(section, type)
        assert issubclass(section, BaseModel)
        schema = section.model_json_schema()["properties"]
        sections += [
            f"## `[{name}]`",
            inspect.cleandoc(section.__doc__ or ""),
            _table(
                ("Key", "Default", "Bounds", "Meaning"),
                (
                    (
                        f"`{key}`",
                        f"`{_value(field.default)}`",
                        _bounds(schema[key]),
                        field.description or "",
                    )
                    for key, field in section.model_fields.items()
                ),
            ),
        ]
    sections += [
        "## `[multiverse]`",
        "The grid of `make multiverse`: every combination of levels is a cell and a normal run "
        "but for those that a rule leaves out. It is no part of a run's id. An example: "
        "[`experiments/configs/deprivation.toml`](../experiments/configs/deprivation.toml).",
        _table(
            ("Key", "Meaning"),
            (
                (f"`{key}`", " ".join((field.description or "").split()))
                for key, field in Multiverse.model_fields.items()
            ),
        ),
        "Each `[[multiverse.exclude]]` holds:",
        _table(
            ("Key", "Meaning"),
            (
                (f"`{key}`", field.description or "")
                for key, field in Exclusion.model_fields.items()
            ),
        ),
        "## `[options]`",
        "Options of the model: see the page of each model under [models](models/).",
        "## `[priors.<name>]`",
        "Replaces one prior of the model. `reason` is required; `distribution` and `parameters` "
        "that are left out stay as the model has them; `meaning` says what the prior lets through "
        "on the natural scale.",
        _table(
            ("Distribution", "Parameters"),
            (
                (f"`{name}`", ", ".join(f"`{parameter}`" for parameter in parameters))
                for name, parameters in DISTRIBUTIONS.items()
            ),
        ),
        "`Correlation` is the LKJ distribution of one correlation, 2 Beta(eta, eta) - 1.",
        *_findings_sections(),
    ]
    return _page(sections)


def _findings_sections() -> list[str]:
    """`findings.toml`, from its own declarations."""
    described = (
        ("At the top level stand:", Findings),
        ("Each `[experiments.<name>]` holds:", Needed),
        ("Each `[[findings]]` holds:", Finding),
        ("Each `[[findings.parts]]` holds:", Part),
        ("A `rule` holds:", Rule),
    )
    return [
        "## The config of findings",
        "`make findings` reads [`experiments/findings.toml`](../experiments/findings.toml), or "
        "another file with `CONFIG=`. It says, before any fit, which experiments each finding of "
        "the study needs, which estimands speak to it, which denominator decides, and by which "
        "rule a posterior probability becomes a verdict. An unknown key, experiment, estimand or "
        "coordinate is refused, every fault at once.",
        *(
            text
            for heading, section in described
            for text in (
                heading,
                _table(
                    ("Key", "Default", "Meaning"),
                    (
                        (
                            f"`{key}`",
                            "required" if field.is_required() else _default(field.get_default()),
                            " ".join((field.description or "").split()),
                        )
                        for key, field in section.model_fields.items()
                    ),
                ),
            )
        ),
        "A finding is supported where every primary part is, and not supported where one is not. "
        "Where neither is so, a primary part that is not reportable or not assessed leaves the "
        "whole without a verdict; else it is undecided.",
    ]


def _default(value: object) -> str:
    """A default as the file has it; blank for what is left out."""
    return "" if value in (None, "", (), {}) else f"`{_value(value)}`"


# ---------------------------------------------------------------------------------- Markdown


def _data_page() -> str:
    kinds = {
        "A": "publisher's own source, or several recent users",
        "B": "seen once or twice",
        "C": "made from a pattern",
    }
    return _page(
        [
            _HEADER,
            "# Official files: where they come from",
            "`make data` downloads these files into `data/raw`. Source: "
            "[`data_prep/download/catalogue.py`](../data_prep/download/catalogue.py); why it works "
            "as it does: [decisions](decisions/download.md).",
            "**No address below was called when this was written**: they were collected from the "
            "publishers' own code and documents and from others who use them. Every download is "
            "therefore checked when it runs, and a source that fails names the page for a download "
            "by hand. Confidence of an address: "
            + "; ".join(f"{letter} {words}" for letter, words in kinds.items())
            + ".",
            _table(
                ("Name", "What", "Publisher", "How", "Confidence", "Required", "By hand"),
                (
                    (
                        f"`{source.name}`",
                        source.title,
                        source.publisher,
                        ", ".join(dict.fromkeys(locator.kind for locator in source.locators)),
                        source.confidence,
                        "yes" if source.required else "",
                        f"[page]({source.landing_page})",
                    )
                    for source in DOWNLOADS
                ),
            ),
            "All are published under the Open Government Licence v3.0. Boundaries carry: "
            + next(source.attribution for source in DOWNLOADS if source.attribution),
        ]
    )


def _value(value: object) -> str:
    """A value as TOML and `SET=` have it; a pair of years or a list as one reads it."""
    if isinstance(value, bool):
        return str(value).lower()
    if value is None:
        return "all"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_value, value)) or "none"
    return str(value)


def _table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heading, ["---"] * len(heading), *rows]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def _bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _block(lines: Iterable[str]) -> str:
    return "\n".join(["```text", *lines, "```"])


def _page(sections: Iterable[str]) -> str:
    return "\n\n".join(sections) + "\n"
