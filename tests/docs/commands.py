"""Commands that documents tell a reader to type, and the Python commands behind them."""

import os
import re
import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
DOCUMENTS = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
# A line of a fence or an indented block, or a command within a sentence.
_TYPED = re.compile(r"^(?: {4})?(make\b[^\n`]*)$|`(make\b[^`\n]*)`", re.MULTILINE)
_EXAMPLE = re.compile(r"`experiments/configs/([\w-]+)\.toml`:\n\n```toml\n(.*?)^```", re.M | re.S)


def fences(text: str, language: str) -> list[str]:
    """Contents of the fenced blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def examples() -> dict[str, str]:
    """Configs that documents ask their readers to save, by the experiment's name."""
    return dict(found for path in DOCUMENTS for found in _EXAMPLE.findall(path.read_text("utf-8")))


def make_lines(text: str) -> list[str]:
    """Every call of make, without its comment; those with a `<name>` to fill in are left out."""
    found = [(a or b).partition("#")[0].strip() for a, b in _TYPED.findall(text)]
    return [line for line in dict.fromkeys(found) if "<" not in line]


def behind(line: str, variables: Mapping[str, str] | None = None) -> list[list[str]]:
    """Words of the Python commands that a call of make would run, from the program's name on.

    ``variables`` are those of the environment; what the line itself sets wins over them.

    Raises
    ------
    CalledProcessError
        When make knows no such target.
    """
    own = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    said = subprocess.run(
        ["make", "--dry-run", "--no-print-directory", *shlex.split(line)[1:]],
        cwd=ROOT,
        env={**own, **(variables or {})},
        capture_output=True,
        text=True,
        check=True,
    )
    split = [shlex.split(text) for text in said.stdout.splitlines() if " -m " in text]
    return [words[2:] for words in split if words[1] == "-m"]
