"""Takes in files that the user has, each known by what it holds and not by its name."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from data_prep.download.catalogue import Member, Source
from data_prep.download.client import hash_file
from data_prep.download.fetch import copy_in
from data_prep.download.manifest import Entry, Manifest
from data_prep.download.verify import is_member
from data_prep.errors import DataError
from data_prep.sources import catalogue as readers
from data_prep.sources.files import RawFile, scan


@dataclass
class TakenIn:
    """What became of the files of a folder: copied, there already, refused with the reason, and
    those that nothing knows.
    """

    copied: list[Entry] = field(default_factory=list)
    there: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Known:
    reader: str
    label: str
    source: Source | None = None
    member: Member | None = None

    @property
    def source_name(self) -> str:
        return self.source.name if self.source else ""

    @property
    def member_name(self) -> str:
        return self.member.name if self.member else ""

    @property
    def words(self) -> str:
        if self.source is None or self.member is None:
            return self.label
        parts = [self.source.title]
        if len(self.source.members) > 1:
            parts.append(self.member.name)
        return ", ".join(parts)


def take_in(folder: Path, out: Path, manifest: Manifest, sources: Sequence[Source]) -> TakenIn:
    """Copy every file below ``folder`` that a source of the catalogue or a reader knows into
    ``out``, under the folder of its reader.

    A file whose content is there already is not copied again; nor is another version of a file
    that is there, for readers refuse two of one kind.

    Raises
    ------
    DataError
        When there is no such folder.
    """
    result = TakenIn()
    there = {hash_file(file.location): file.name for file in (scan(out) if out.is_dir() else [])}
    # What a reader says a file is; where the project has no reader, its place in the catalogue.
    kinds = {
        entry.label or f"{entry.source} {entry.member}": entry.path
        for entry in manifest
        if manifest.is_there(entry)
    }
    for file in scan(folder):
        try:
            known = _identify(file, sources)
        except DataError as error:
            result.unknown += [str(fault) for fault in error.faults]
            continue
        if known is None:
            result.unknown.append(file.name)
            continue
        digest = hash_file(file.location)
        if digest in there:
            result.there.append(f"{file.name}: is {there[digest]}")
            continue
        kind = known.label or f"{known.source_name} {known.member_name}"
        target = out / known.reader / file.path.name
        if kind in kinds:
            result.refused.append(
                f"{file.name}: another {known.words} is there ({kinds[kind]}); delete it to "
                "take this one"
            )
            continue
        if target.exists():
            result.refused.append(f"{file.name}: another file of that name is there ({target})")
            continue
        copy_in(file.location, target)
        entry = Entry(
            path=target.relative_to(out).as_posix(),
            source=known.source_name,
            member=known.member_name,
            label=known.label,
            bytes=target.stat().st_size,
            sha256=digest,
            retrieved_at=datetime.now(UTC).isoformat(timespec="seconds"),
            licence=known.source.licence if known.source else "",
            attribution=known.source.attribution if known.source else "",
            publisher=known.source.publisher if known.source else "",
            landing_page=known.source.landing_page if known.source else "",
            note=f"given by hand as {file.path.name}",
        )
        manifest.add(entry)
        result.copied.append(entry)
        there[digest] = entry.path
        kinds[kind] = entry.path
    return result


def _identify(file: RawFile, sources: Sequence[Source]) -> _Known | None:
    """What a file is: a member of the catalogue, or at least something that a reader knows."""
    recognised = readers.recognise(file)
    for source in sources:
        for member in source.members:
            reader = source.reader_of(member)
            if is_member(file, member, reader):
                return _Known(reader, recognised[1] if recognised else "", source, member)
    return _Known(*recognised) if recognised else None
