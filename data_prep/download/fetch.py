"""Brings the members of a source into the folder: fetched, checked, and only then put in place."""

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from data_prep.download import services
from data_prep.download.archives import Archive, is_zip
from data_prep.download.catalogue import (
    ArcgisLayer,
    EesRelease,
    GovukPage,
    Hosts,
    Locator,
    Member,
    NomisQuery,
    Source,
    WebFile,
)
from data_prep.download.client import Client, DownloadError, Progress, Response, hash_file
from data_prep.download.discover import (
    Release,
    choose_data_set,
    find_attachment,
    find_releases,
)
from data_prep.download.manifest import Entry, Manifest
from data_prep.download.verify import check_file, is_member
from data_prep.sources.files import RawFile, scan

# Hidden, so that no reader takes what lies there for a file that is whole.
INCOMING = ".incoming"

FETCHED, THERE, FAILED = "fetched", "already there", "failed"


@dataclass
class Outcome:
    """What became of one source; ``problems`` say why each missing member is missing."""

    source: Source
    fetched: list[Entry] = field(default_factory=list)
    there: list[Entry] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def missing(self) -> int:
        return len(self.source.members) - len(self.fetched) - len(self.there)

    @property
    def state(self) -> str:
        if self.missing:
            return FAILED
        return FETCHED if self.fetched else THERE


@dataclass(frozen=True)
class _Came:
    """A file in the hidden folder that has still to be checked, and where it came from."""

    path: Path
    url: str
    resolved_url: str
    content_type: str = ""
    archive_member: str = ""
    note: str = ""


class Fetcher:
    """Fetches sources into ``out`` one after another."""

    def __init__(
        self,
        client: Client,
        hosts: Hosts,
        out: Path,
        manifest: Manifest,
        *,
        progress: Progress = lambda done, total: None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.client = client
        self.hosts = hosts
        self.out = out
        self.manifest = manifest
        self.progress = progress
        self.now = now

    def find_present(self, source: Source, files: Sequence[RawFile]) -> dict[str, Entry]:
        """Members that are there by name: fetched earlier and unchanged, or put anywhere below the
        folder by hand and known by what they hold. A file that was fetched and then changed is not
        the publisher's any more, and does not count.
        """
        found: dict[str, Entry] = {}
        for member in source.members:
            entry = self.manifest.find(source.name, member.name)
            if entry is not None and self.manifest.is_there(entry):
                found[member.name] = entry
                continue
            reader = source.reader_of(member)
            changed = entry.path if entry is not None and entry.url else ""
            for file in files:
                if file.name != changed and is_member(file, member, reader):
                    label = check_file(file, member, reader)
                    found[member.name] = self.record(
                        source, member, file.location, label, note="found in the folder"
                    )
                    break
        return found

    def fetch(self, source: Source) -> Outcome:
        """Fetch the members of a source that are not there. Never raises for a source that fails:
        the outcome says why.
        """
        outcome = Outcome(source)
        files = scan(self.out) if self.out.is_dir() else []
        present = self.find_present(source, files)
        outcome.there = list(present.values())
        left = [member for member in source.members if member.name not in present]
        for locator in source.locators:
            if not left:
                break
            folder = self.out / INCOMING / source.name
            try:
                if isinstance(locator, EesRelease):
                    self._fetch_release(source, locator, left, folder, outcome)
                else:
                    self._place(source, self._get(source, locator, folder), left, folder, outcome)
            except (DownloadError, OSError) as error:
                outcome.problems.append(str(error))
            left = [m for m in left if m.name not in {entry.member for entry in outcome.fetched}]
        self._clean()
        return outcome

    # -------------------------------------------------------------------- by kind of source

    def _get(self, source: Source, locator: Locator, folder: Path) -> _Came:
        """Fetch the one file of a locator into the hidden folder."""
        if isinstance(locator, GovukPage):
            return self._download(find_attachment(self.client, self.hosts, locator), folder)
        if isinstance(locator, WebFile):
            return self._download(f"{getattr(self.hosts, locator.host)}/{locator.path}", folder)
        if isinstance(locator, ArcgisLayer):
            answer = services.fetch_layer(self.client, self.hosts, locator, self.progress)
        elif isinstance(locator, NomisQuery):
            answer = services.fetch_nomis(self.client, self.hosts, locator)
        else:
            raise DownloadError("published at no address that is known well enough to call")
        path = folder / source.members[0].file_name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(answer.body)
        return _Came(path, answer.url, answer.url, note=answer.note)

    def _download(self, url: str, folder: Path, suffix: str = "") -> _Came:
        """Fetch ``url`` under the publisher's own name for the file."""
        folder.mkdir(parents=True, exist_ok=True)
        response: Response = self.client.fetch(url, folder / "download", self.progress)
        name = response.file_name or "download"
        path = folder / (name if Path(name).suffix else f"{name}{suffix}")
        os.replace(response.path, path)
        return _Came(path, url, response.resolved_url, response.content_type)

    def _fetch_release(
        self,
        source: Source,
        wanted: EesRelease,
        left: Sequence[Member],
        folder: Path,
        outcome: Outcome,
    ) -> None:
        """Take the zip of the first version that answers; members that it lacks come as data sets.

        An id of a version answers no more once the release was amended, and the server leaves out
        of the zip what it cannot read.
        """
        told: list[str] = []
        release: Release | None = None
        for candidate in find_releases(self.client, self.hosts, wanted, told):
            url = f"{self.hosts.ees_content}/api/releases/{candidate.id}/files"
            try:
                came = self._download(url, folder, ".zip")
                if not is_zip(came.path):
                    raise DownloadError(f"{url} gave no zip")
                self._place(source, came, left, folder, outcome)
                release = candidate
                break
            except DownloadError as error:
                told.append(str(error))
        left = [m for m in left if m.name not in {entry.member for entry in outcome.fetched}]
        for member in left:
            listed = choose_data_set(release, member.data_set_title)
            data_set = listed.id if listed else member.data_set
            if not data_set:
                continue
            url = f"{self.hosts.ees_site}/data-catalogue/data-set/{data_set}/csv"
            try:
                came = self._download(url, folder, ".csv")
                # The address ends in "csv", which is no name.
                path = came.path.with_name(f"{member.name}-{data_set}.csv")
                os.replace(came.path, path)
                came = _Came(path, came.url, came.resolved_url, came.content_type)
                rows = listed.rows if listed else None
                self._accept(source, member, came, outcome, rows)
            except DownloadError as error:
                told.append(str(error))
        if len(outcome.fetched) + len(outcome.there) < len(source.members):
            outcome.problems += told

    # -------------------------------------------------------------------- check, put in place

    def _place(
        self, source: Source, came: _Came, left: Sequence[Member], folder: Path, outcome: Outcome
    ) -> None:
        """Check what came, out of its zip if it is one, and put each wanted member in place."""
        if not is_zip(came.path):
            if len(left) > 1:
                raise DownloadError(f"{came.url}: one file came and {len(left)} are wanted")
            self._accept(source, left[0], came, outcome)
            return
        with Archive(came.path) as archive:
            for member in left:
                try:
                    self._accept_from(archive, source, member, came, folder, outcome)
                except DownloadError as error:
                    outcome.problems.append(str(error))

    def _accept_from(
        self,
        archive: Archive,
        source: Source,
        member: Member,
        came: _Came,
        folder: Path,
        outcome: Outcome,
    ) -> None:
        """Find a member in a zip: by the end of its name, and among several by what they hold."""
        names = archive.find(member.file_name)
        if not names:
            raise DownloadError(
                f"{came.url}: nothing like {member.file_name} in the zip, which holds "
                f"{', '.join(archive.names[:8])}{' ...' if len(archive.names) > 8 else ''}"
            )
        fit: list[_Came] = []
        refused: list[str] = []
        for number, name in enumerate(names):
            path = folder / f"{member.name}-{number}" / Path(name.replace("\\", "/")).name
            archive.unpack(name, path)
            try:
                check_file(RawFile(Path(path.name), path), member, source.reader_of(member))
            except DownloadError as error:
                refused.append(str(error))
            else:
                fit.append(
                    _Came(path, came.url, came.resolved_url, came.content_type, name, came.note)
                )
        if not fit:
            raise DownloadError("; ".join(refused))
        if len(fit) > 1:
            raise DownloadError(
                f"{came.url}: {len(fit)} files of the zip are alike: "
                f"{', '.join(item.archive_member for item in fit)}"
            )
        self._accept(source, member, fit[0], outcome)

    def _accept(
        self,
        source: Source,
        member: Member,
        came: _Came,
        outcome: Outcome,
        rows: int | None = None,
    ) -> None:
        """Check a file and move it to its place: the folder of its reader."""
        reader = source.reader_of(member)
        label = check_file(RawFile(Path(came.path.name), came.path), member, reader, rows)
        target = self.out / reader / came.path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        if self._belongs_to_another(target, source, member):
            target = target.with_name(f"{source.name}-{target.name}")
        os.replace(came.path, target)
        outcome.fetched.append(
            self.record(
                source,
                member,
                target,
                label,
                url=came.url,
                resolved_url=came.resolved_url,
                archive_member=came.archive_member,
                content_type=came.content_type,
                note=came.note,
            )
        )

    def _belongs_to_another(self, target: Path, source: Source, member: Member) -> bool:
        """Whether a file of that name is there that is not an older copy of the same member."""
        if not target.exists():
            return False
        path = target.relative_to(self.out).as_posix()
        owners = [(e.source, e.member) for e in self.manifest if e.path == path]
        return owners != [(source.name, member.name)]

    def record(self, source: Source, member: Member, path: Path, label: str, **more: str) -> Entry:
        """Enter a file that is in its place into the manifest."""
        entry = Entry(
            path=path.relative_to(self.out).as_posix(),
            source=source.name,
            member=member.name,
            label=label,
            bytes=path.stat().st_size,
            sha256=hash_file(path),
            retrieved_at=self.now().isoformat(timespec="seconds"),
            licence=source.licence,
            attribution=source.attribution,
            publisher=source.publisher,
            landing_page=source.landing_page,
            **more,
        )
        self.manifest.add(entry)
        return entry

    def _clean(self) -> None:
        """Leave nothing in the hidden folder but parts that can be resumed."""
        incoming = self.out / INCOMING
        if not incoming.is_dir():
            return
        for path in sorted(incoming.rglob("*"), reverse=True):
            if path.is_dir():
                if not any(path.iterdir()):
                    path.rmdir()
            elif not path.name.endswith((".part", ".part.json", ".lock")):
                path.unlink()
        for note in incoming.rglob("*.part"):
            if not note.with_name(note.name + ".json").is_file():
                note.unlink()


def copy_in(path: Path, target: Path) -> None:
    """Copy a file so that ``target`` is there whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    try:
        shutil.copyfile(path, part)
        os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)
