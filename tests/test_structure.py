"""The shape of the project itself: who may import whom, and what no file may say."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from experiments.config import CONFIGS
from models import CATALOGUE

ROOT = Path(__file__).resolve().parent.parent
# What each package may import of the project, itself aside. Reports read files, so that a run can
# be printed without the code that made it.
MAY_IMPORT: dict[str, set[str]] = {
    "data_prep": set(),
    "models": {"data_prep"},
    "experiments": {"data_prep", "models"},
    "reports": set(),
    "benchmarks": {"data_prep", "models", "experiments", "reports"},
}
# The command line (with its modules `commands_*`) is where the two halves meet, inside the function
# that needs it.
MEETING_PLACE = Path("experiments/__main__.py")
# Texts that the rules below must name in order to forbid them.
EXEMPT = {Path("tests/test_structure.py")}


def _meets(path: Path) -> bool:
    return path == MEETING_PLACE or path.match("experiments/commands_*.py")


def sources() -> list[Path]:
    return sorted(
        path.relative_to(ROOT) for package in MAY_IMPORT for path in (ROOT / package).rglob("*.py")
    )


def project_imports(path: Path) -> Iterator[tuple[str, bool]]:
    """Every project package that a file imports, and whether it does so at the top level."""
    tree = ast.parse((ROOT / path).read_text())
    at_top = {id(node) for node in tree.body}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: relative import"
            names = [node.module or ""]
        else:
            continue
        for name in names:
            if (package := name.split(".")[0]) in MAY_IMPORT:
                yield package, id(node) in at_top


@pytest.mark.parametrize("path", sources(), ids=str)
def test_imports_run_one_way(path: Path) -> None:
    package = path.parts[0]
    allowed = MAY_IMPORT[package] | {package}
    for imported, at_top in project_imports(path):
        if _meets(path) and imported == "reports":
            assert not at_top, "reports are imported only when one is rendered"
        else:
            assert imported in allowed, f"{path} imports {imported}"


@pytest.mark.parametrize("model", CATALOGUE)
def test_every_model_has_a_module_and_a_base_config(model: str) -> None:
    assert (ROOT / (CATALOGUE[model].module.replace(".", "/") + ".py")).is_file()
    assert (CONFIGS / f"{model}.toml").is_file()


def test_every_config_belongs_to_a_model() -> None:
    assert {path.stem.split("--")[0] for path in CONFIGS.glob("*.toml")} == set(CATALOGUE)


# ------------------------------------------------------------------------------ every file


def tracked() -> list[Path]:
    """Files of the project; none where it was unpacked without its history."""
    if not (ROOT / ".git").exists():
        return []
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [Path(name) for name in listed.stdout.split("\0") if name]


def texts() -> Iterator[tuple[Path, str]]:
    for path in tracked():
        if path in EXEMPT or not (ROOT / path).is_file():
            continue
        with_bytes = (ROOT / path).read_bytes()
        if b"\0" not in with_bytes:
            yield path, with_bytes.decode()


# Folders of one machine. A slash before the name would be part of a longer, relative path.
ABSOLUTE = re.compile(r"(?<![\w./<~-])/(?:home|Users|root|work|mnt|tmp|opt|srv)/\w+|[A-Z]:\\\\\w+")
REGISTRY = re.compile(r"(?:pypi\.org|pythonhosted\.org|--(?:extra-)?index-url\s+\S*:)", re.I)


def test_no_file_names_a_folder_of_one_machine() -> None:
    found = [f"{path}: {m[0]}" for path, text in texts() for m in ABSOLUTE.finditer(text)]
    assert found == []


def test_no_file_names_a_registry() -> None:
    found = [f"{path}: {m[0]}" for path, text in texts() for m in REGISTRY.finditer(text)]
    assert found == []


def test_the_lock_pins_and_hashes_everything_and_names_no_host() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    assert "://" not in lock
    assert "-i " not in lock
    pinned = re.findall(r"^([\w.\[\]-]+)==[^\s;]+[^\n]*\\\n\s+--hash=sha256:", lock, re.M)
    named = re.findall(r"^[A-Za-z0-9].*", lock, re.M)
    assert len(pinned) == len(named) > 50


def test_the_command_line_s_exit_codes_are_documented_where_they_are_defined() -> None:
    tree = ast.parse((ROOT / MEETING_PLACE).read_text())
    words = ast.get_docstring(tree) or ""
    for code in ("0 reportable", "1 internal error", "2 bad input", "3 completed", "130"):
        assert code in words


def test_the_project_s_own_packages_are_all_installed() -> None:
    listed = (ROOT / "pyproject.toml").read_text()
    for package in {str(path.parent).replace("/", ".") for path in sources()}:
        assert f'"{package}"' in listed, package
