"""What was fetched, whence, when, and its hash: ``manifest.json`` beside the files."""

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from data_prep.download.client import hash_file
from data_prep.errors import DataError, Fault
from data_prep.sources.files import MANIFEST

SCHEMA = 1


@dataclass(frozen=True)
class Entry:
    """One file below the folder. ``path`` is relative to it; ``sha256`` and ``bytes`` are of the
    file itself, also where it came inside the zip at ``resolved_url`` as ``archive_member``.
    ``url`` is blank for a file that was given by hand.
    """

    path: str
    source: str
    member: str
    label: str
    bytes: int
    sha256: str
    retrieved_at: str
    licence: str
    attribution: str = ""
    publisher: str = ""
    landing_page: str = ""
    url: str = ""
    resolved_url: str = ""
    archive_member: str = ""
    content_type: str = ""
    note: str = ""


class Manifest:
    """The entries of one folder; every change is written at once, and atomically."""

    def __init__(self, folder: Path) -> None:
        """Read the manifest of ``folder``, if there is one.

        Raises
        ------
        DataError
            When it is damaged.
        """
        self.folder = folder
        self.path = folder / MANIFEST
        self._entries: dict[str, Entry] = {}
        if self.path.is_file():
            self._read()

    def _read(self) -> None:
        try:
            document = json.loads(self.path.read_text(encoding="utf-8"))
            if document["schema"] != SCHEMA:
                raise ValueError(f"schema {document['schema']}, not {SCHEMA}")
            known = {field.name for field in fields(Entry)}
            for item in document["files"]:
                if set(item) - known:
                    raise ValueError(f"unknown fields {sorted(set(item) - known)}")
                self._entries[item["path"]] = Entry(**item)
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(
                [
                    Fault(
                        file=str(self.path),
                        problem=f"damaged record of what was fetched ({error})",
                        remedy="delete it; files that are there are then recognised by content",
                    )
                ]
            ) from error

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries.values())

    def find(self, source: str, member: str) -> Entry | None:
        """The entry of a member of a source, or None."""
        return next((e for e in self if (e.source, e.member) == (source, member)), None)

    def is_there(self, entry: Entry) -> bool:
        """Whether the file of an entry is there, unchanged."""
        path = self.folder / entry.path
        return (
            path.is_file()
            and path.stat().st_size == entry.bytes
            and hash_file(path) == entry.sha256
        )

    def add(self, entry: Entry) -> None:
        """Record a file in place of what was recorded under its path or as the same member."""
        self._entries = {
            path: kept
            for path, kept in self._entries.items()
            if path != entry.path
            and not (entry.source and (kept.source, kept.member) == (entry.source, entry.member))
        }
        self._entries[entry.path] = entry
        document = {
            "schema": SCHEMA,
            "files": [asdict(self._entries[path]) for path in sorted(self._entries)],
        }
        self.folder.mkdir(parents=True, exist_ok=True)
        part = self.path.with_name(MANIFEST + ".part")
        part.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        os.replace(part, self.path)
