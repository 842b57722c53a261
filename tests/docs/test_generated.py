"""Committed pages say what the code says, and links within the documentation lead somewhere."""

import re
from pathlib import Path

import pytest

from experiments.documentation import DOCS, pages, write_pages
from models import CATALOGUE, load_model
from tests.docs.commands import examples

ROOT = DOCS.parent
WRITTEN = pages()
# Files that documents tell a reader to write.
TO_BE_WRITTEN = {f"experiments/configs/{name}.toml" for name in examples()}


@pytest.mark.parametrize("relative", WRITTEN, ids=str)
def test_committed_page_says_what_the_code_says(relative: Path) -> None:
    path = DOCS / relative
    assert path.is_file(), f"docs/{relative} is absent: run make docs"
    assert path.read_text(encoding="utf-8") == WRITTEN[relative], (
        f"docs/{relative} differs from the code: run make docs and commit the page"
    )


def test_every_model_has_a_page_and_no_page_lacks_a_model() -> None:
    assert {path.stem for path in (DOCS / "models").glob("*.md")} == set(CATALOGUE)


@pytest.mark.parametrize("model", CATALOGUE)
def test_model_page_holds_every_prior_option_and_estimand(model: str) -> None:
    spec = load_model(model)
    page = WRITTEN[Path("models") / f"{model}.md"]
    names = [*spec.priors, *spec.options.model_fields]
    names += [estimand.name for estimand in spec.declared_estimands(spec.options())]
    assert [name for name in names if f"| `{name}` |" not in page] == []


def test_pages_are_written_once(tmp_path: Path) -> None:
    first = write_pages(tmp_path)
    assert {path.relative_to(tmp_path) for path in first} == set(WRITTEN)
    assert write_pages(tmp_path) == []
    first[0].write_text("something else", encoding="utf-8")
    assert write_pages(tmp_path) == [first[0]]


def test_recovery_results_enter_the_model_page(tmp_path: Path) -> None:
    folder = tmp_path / "recovery"
    folder.mkdir()
    (folder / "national_trend.csv").write_text(
        "estimand,seeds,values,bias_over_sd,bias_standard_error,sd_of_z,coverage,coverage_lower,"
        "coverage_upper,trials,nominal,worst_r_hat,least_ess\n"
        "national_rate,12,168,0.17,0.09,0.9,0.94,0.74,0.99,12,0.9,1.004,812\n"
        "la_rate,12,25536,-0.05,0.02,0.98,0.918,0.915,0.921,25536,0.9,1.006,640\n",
        encoding="utf-8",
    )
    page = pages(tmp_path)[Path("models/national_trend.md")]
    assert "12 simulated Englands" in page
    assert "| National rate | 168 | +0.17 ± 0.09 | 0.940 (0.740 to 0.990) | 12 |" in page
    assert "| Authority rate | 25,536 | -0.05 ± 0.02 |" in page


def test_calibration_results_enter_the_model_page(tmp_path: Path) -> None:
    folder = tmp_path / "calibration"
    folder.mkdir()
    (folder / "national_trend.csv").write_text(
        "quantity,coordinate,kind,band,p,largest_difference,coverage_50,coverage_50_lower,"
        "coverage_50_upper,coverage_90,coverage_90_lower,coverage_90_upper,least_ess,asked,"
        "replicates,failed,divergent,lengthened,status\n"
        "scatter_sd,,parameter,inside,0.42,-0.03,0.48,0.38,0.58,0.88,0.8,0.94,61.2,200,100,1,"
        "7,3,unfinished\n"
        "log_likelihood,,data,outside,0.001,0.2,0.3,0.2,0.4,0.7,0.6,0.8,,200,100,1,7,3,unfinished\n",
        encoding="utf-8",
    )
    page = pages(tmp_path)[Path("models/national_trend.md")]
    assert "100 of 200 worlds" in page
    assert "(unfinished)" in page
    assert "1 failed, 7 had divergent transitions" in page
    row = "| `scatter_sd` |  | 0.420 | inside | 0.48 (0.38 to 0.58) | 0.88 (0.80 to 0.94) | 61 |"
    assert row in page
    assert "| `log_likelihood` |  | 0.001 | outside |" in page


def _documents() -> list[Path]:
    return [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]


@pytest.mark.parametrize("path", _documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", text)
    here = [target for target in targets if not target.startswith(("http://", "https://"))]
    assert [target for target in here if not (path.parent / target).exists()] == []


@pytest.mark.parametrize("path", _documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_files_named_in_prose_exist(path: Path) -> None:
    """Paths in backticks that begin with a folder of the project."""
    folders = "data_prep|models|experiments|reports|tests|docs|scripts"
    named = re.findall(rf"`((?:{folders})/[\w./-]*)`", path.read_text(encoding="utf-8"))
    named = [name for name in named if name not in TO_BE_WRITTEN]
    assert [name for name in named if not (ROOT / name).exists()] == []
