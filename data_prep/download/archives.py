"""Files out of a zip, by the end of their names; nothing else of it is unpacked."""

import fnmatch
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from data_prep.download.client import CHUNK, MOST_BYTES, DownloadError


def is_zip(path: Path) -> bool:
    """Whether a file begins as a zip does and is none of the workbooks that are zips too."""
    if path.suffix.lower() in (".xlsx", ".xlsb", ".ods"):
        return False
    with path.open("rb") as file:
        return file.read(4) == b"PK\x03\x04"


class Archive:
    """A zip that was fetched.

    Raises
    ------
    DownloadError
        When it is damaged, locked, or names a place outside itself.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._zip = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, OSError, ValueError) as error:
            raise DownloadError(f"{path.name}: damaged zip ({error})") from error
        for info in self._zip.infolist():
            parts = PurePosixPath(info.filename.replace("\\", "/")).parts
            if ".." in parts or parts[:1] == ("/",) or (parts and ":" in parts[0]):
                raise DownloadError(f"{path.name}: unsafe zip, with a file {info.filename!r}")

    def __enter__(self) -> "Archive":
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.close()

    @property
    def names(self) -> list[str]:
        """Names of all files in it."""
        return [info.filename for info in self._zip.infolist() if not info.is_dir()]

    def find(self, pattern: str) -> list[str]:
        """Names whose last part matches ``pattern``, whatever its case; no hidden files."""
        ends = {name: PurePosixPath(name.replace("\\", "/")).name for name in self.names}
        return [
            name
            for name, end in ends.items()
            if not end.startswith(".") and fnmatch.fnmatchcase(end.lower(), pattern.lower())
        ]

    def unpack(self, name: str, to: Path) -> None:
        """Write the file ``name`` to ``to``.

        Raises
        ------
        DownloadError
            When it is damaged or locked; nothing is then left at ``to``.
        """
        info = self._zip.getinfo(name)
        if info.flag_bits & 1:
            raise DownloadError(f"{name}: locked with a password")
        done = 0
        to.parent.mkdir(parents=True, exist_ok=True)
        try:
            with self._zip.open(info) as packed, to.open("wb") as plain:
                while chunk := packed.read(CHUNK):
                    done += len(chunk)
                    if done > MOST_BYTES:
                        raise DownloadError(f"{name}: more than {MOST_BYTES:,} bytes unpacked")
                    plain.write(chunk)
        except (zipfile.BadZipFile, EOFError, NotImplementedError, zlib.error) as error:
            to.unlink(missing_ok=True)
            raise DownloadError(f"{name}: damaged in its zip ({error})") from error
        except BaseException:
            to.unlink(missing_ok=True)
            raise
