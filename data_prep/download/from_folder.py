"""Takes in files that the user has, each known by what it holds and not by its name."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from data_prep import register
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

    A file whose content is there already is not copied again. Another version of a file that is
    there is taken in when its reader reads both beside each other, as two releases of a table or
    two maps, and refused otherwise.

    Raises
    ------
    DataError
        When there is no such folder.
    """
    result = TakenIn()
    there = {hash_file(file.location): file.name for file in (scan(out) if out.is_dir() else [])}
    # What a reader says a file is; where the project has no reader, its place in the catalogue.
    kinds: dict[str, list[str]] = {}
    for entry in manifest:
        if manifest.is_there(entry):
            kind = entry.label or f"{entry.source} {entry.member}"
            kinds.setdefault(kind, []).append(entry.path)
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
        if target.exists():
            # Releases may name their files alike and differ in their folders.
            target = out / known.reader / file.path.parent.name / file.path.name
        others = [RawFile(Path(path), out / path) for path in kinds.get(kind, ())]
        if others and not _are_read_together(known.reader, [*others, file]):
            there_already = ", ".join(other.name for other in others)
            result.refused.append(
                f"{file.name}: another {known.words} is there ({there_already}); delete it to "
                "take this one"
            )
            continue
        if target.exists():
            result.refused.append(f"{file.name}: another file of that name is there ({target})")
            continue
        copy_in(file.location, target)
        entry = Entry(
            path=target.relative_to(out).as_posix(),
            # A second release is nobody's to fetch: the manifest keeps one file of each member.
            source="" if others else known.source_name,
            member="" if others else known.member_name,
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
        kinds.setdefault(kind, []).append(entry.path)
    return result


def _are_read_together(name: str, files: Sequence[RawFile]) -> bool:
    """Whether the reader of that name, if there is one, accepts the files beside each other."""
    reader = readers.find_reader(name)
    if reader is None:
        return False
    try:
        if reader.gives == readers.RECORDS:
            reader.read(files, range(register.FIRST_YEAR, register.LAST_YEAR + 1))
        else:
            getattr(reader.load(), f"read_{name}")(files)
    except DataError:
        return False
    return True


def _identify(file: RawFile, sources: Sequence[Source]) -> _Known | None:
    """What a file is: a member of the catalogue, or at least something that a reader knows."""
    recognised = readers.recognise(file)
    for source in sources:
        for member in source.members:
            reader = source.reader_of(member)
            if is_member(file, member, reader):
                return _Known(reader, recognised[1] if recognised else "", source, member)
    return _Known(*recognised) if recognised else None
