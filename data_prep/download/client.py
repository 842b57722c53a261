"""Fetches one address over HTTP: retries, resumes, decodes, and says why when it cannot.

A body is streamed into ``<name>.part`` beside a note of the validator (entity tag or date) it came
with, so that a later call can go on where this one stopped; nothing is renamed before all of it is
there. Proxies are taken from the usual environment variables.
"""

import email.utils
import gzip
import hashlib
import http.client
import json
import os
import re
import socket
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import certifi

USER_AGENT = "childrens-social-care-models/0.1 (reader of official statistics)"
# Answers that a later try may change.
RETRIED = frozenset({408, 425, 429, 500, 502, 503, 504})
CHUNK = 1 << 16
# No official file read here is a tenth of this; more is a mistake or an attack.
MOST_BYTES = 500_000_000
GZIP = b"\x1f\x8b"

type Progress = Callable[[int, int | None], None]


class DownloadError(Exception):
    """A file did not come, or was not what it should be; the text says why."""


class TransientError(DownloadError):
    """As above, but another try may succeed; ``wait`` is what the server asked for, in seconds."""

    def __init__(self, problem: str, wait: float | None = None) -> None:
        super().__init__(problem)
        self.wait = wait


@dataclass(frozen=True)
class Response:
    """A body that came whole, decoded and on disk, with what the manifest records of it."""

    path: Path
    url: str
    resolved_url: str
    content_type: str
    file_name: str


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects to web addresses, but not from an encrypted one to an open one."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        scheme = urllib.parse.urlsplit(newurl).scheme
        if scheme not in ("http", "https") or (req.type == "https" and scheme != "https"):
            raise DownloadError(f"redirected from {req.full_url} to {newurl}, which is not secure")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def make_context() -> ssl.SSLContext:
    """Certificates of the system, and of certifi for systems that have none."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context


class Client:
    """Fetches addresses one after another; remembers hosts that cannot be reached.

    Parameters
    ----------
    timeout : seconds without a byte before a try is given up.
    attempts : tries for each address.
    longest_wait : a server that asks for a longer pause (seconds) is not waited for.
    longest_try : seconds after which one try is broken off, to be resumed by the next.
    proxies : by scheme; None takes them from the environment.
    """

    def __init__(
        self,
        *,
        timeout: float = 60.0,
        attempts: int = 5,
        longest_wait: float = 120.0,
        longest_try: float = 1800.0,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        say: Callable[[str], None] = lambda text: None,
        proxies: Mapping[str, str] | None = None,
    ) -> None:
        self.timeout = timeout
        self.attempts = attempts
        self.longest_wait = longest_wait
        self.longest_try = longest_try
        self.sleep = sleep
        self.clock = clock
        self.say = say
        self._unreachable: dict[str, str] = {}
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler(None if proxies is None else dict(proxies)),
            urllib.request.HTTPSHandler(context=make_context()),
            _Redirects(),
        )

    # -------------------------------------------------------------------- what others call

    def fetch(self, url: str, to: Path, progress: Progress = lambda done, total: None) -> Response:
        """Fetch ``url`` into the file ``to``, decoding it when it came gzip-encoded.

        Raises
        ------
        DownloadError
            When it did not come after all tries. What came stays in ``<to>.part`` if the server
            gave something to recognise it by.
        """
        to.parent.mkdir(parents=True, exist_ok=True)
        part = _Part(to)

        def once() -> tuple[str, http.client.HTTPMessage]:
            answered = self._stream(url, part, progress)
            part.forget_note()
            _decode(part.path, to)
            return answered

        resolved, headers = self._retry(url, once)
        return Response(
            to, url, resolved, headers.get_content_type(), _file_name(headers, resolved)
        )

    def fetch_text(self, url: str, check: Callable[[bytes], None] = lambda body: None) -> bytes:
        """A short body, decoded. ``check`` may raise ``TransientError`` to have it tried again.

        Raises
        ------
        DownloadError
            When it did not come after all tries.
        """

        def once() -> bytes:
            with self._open(url, {}) as answer:
                body = self._read_all(answer)
            check(body)
            return body

        return self._retry(url, once)

    def fetch_json(self, url: str, check: Callable[[Any], None] = lambda value: None) -> Any:
        """A JSON document; ``check`` as for ``fetch_text``, on the document.

        Raises
        ------
        DownloadError
            When it did not come, or is not JSON.
        """
        found: list[Any] = []

        def read(body: bytes) -> None:
            try:
                value = json.loads(body)
            except ValueError as error:
                raise DownloadError(f"{url} gave {describe(body)} and not JSON") from error
            check(value)
            found.append(value)

        self.fetch_text(url, read)
        return found[-1]

    # -------------------------------------------------------------------- one try

    def _open(self, url: str, headers: Mapping[str, str]) -> http.client.HTTPResponse:
        request = urllib.request.Request(
            url, headers={"User-Agent": USER_AGENT, "Accept": "*/*", **headers}
        )
        try:
            answer: http.client.HTTPResponse = self._opener.open(request, timeout=self.timeout)
        except urllib.error.HTTPError as error:
            with error:
                raise _status_error(url, error) from error
        except urllib.error.URLError as error:
            raise _connection_error(url, error.reason) from error
        except (OSError, http.client.HTTPException) as error:
            raise TransientError(f"{url}: {_in_words(error)}") from error
        return answer

    def _read_all(self, answer: http.client.HTTPResponse) -> bytes:
        try:
            body = answer.read(MOST_BYTES)
        except (OSError, http.client.HTTPException) as error:
            raise TransientError(f"{answer.url}: {_in_words(error)}") from error
        length = _whole(answer.headers.get("Content-Length", ""))
        if length is not None and len(body) < length:
            raise TransientError(f"{answer.url}: {len(body):,} of {length:,} bytes came")
        if body[:2] == GZIP:
            try:
                body = gzip.decompress(body)
            except (OSError, EOFError, zlib.error) as error:
                raise TransientError(f"{answer.url}: compressed body is damaged") from error
        return body

    def _stream(
        self, url: str, part: "_Part", progress: Progress
    ) -> tuple[str, http.client.HTTPMessage]:
        """Fetch what ``part`` lacks; the address that answered in the end, and its headers."""
        start = part.size(url)
        wanted = {"Range": f"bytes={start}-", "If-Range": part.validator} if start else {}
        try:
            answer = self._open(url, wanted)
        except _RangeError:
            part.forget()
            start = 0
            answer = self._open(url, {})
        with answer:
            if start and answer.status == 206 and not _continues(answer, start):
                part.forget()
                raise TransientError(f"{url}: another part came than was asked for", wait=0)
            if answer.status == 200:
                start = 0
            length = _whole(answer.headers.get("Content-Length", ""))
            total = None if length is None else start + length
            part.begin(url, _validator(answer.headers))
            done, began = start, self.clock()
            progress(done, total)
            with part.path.open("ab" if start else "wb") as file:
                while True:
                    try:
                        chunk = answer.read1(CHUNK)
                    except (OSError, http.client.HTTPException) as error:
                        raise TransientError(
                            f"{url}: {_in_words(error)} after {done:,} bytes"
                        ) from error
                    if not chunk:
                        break
                    file.write(chunk)
                    done += len(chunk)
                    progress(done, total)
                    if done > MOST_BYTES:
                        raise DownloadError(f"{url}: more than {MOST_BYTES:,} bytes")
                    if self.clock() - began > self.longest_try:
                        raise TransientError(f"{url}: {self.longest_try:.0f} seconds are over")
            if total is not None and done != total:
                raise TransientError(f"{url}: {done:,} of {total:,} bytes came")
            return answer.url, answer.headers

    def _retry[T](self, url: str, once: Callable[[], T]) -> T:
        host = urllib.parse.urlsplit(url).netloc
        if host in self._unreachable:
            raise DownloadError(self._unreachable[host])
        for attempt in range(1, self.attempts + 1):
            try:
                return once()
            except _UnreachableError as error:
                self._unreachable[host] = f"{host} cannot be reached ({error})"
                raise DownloadError(self._unreachable[host]) from error
            except TransientError as error:
                if attempt == self.attempts:
                    raise DownloadError(f"{error}, {attempt} times tried") from error
                wait = min(2.0 ** (attempt - 1), 60.0) if error.wait is None else error.wait
                if wait > self.longest_wait:
                    raise DownloadError(
                        f"{error}; the server asks to wait {wait:.0f} seconds: run again then"
                    ) from error
                self.say(f"{error}; trying again in {wait:.0f} s")
                self.sleep(wait)
        raise AssertionError("a last try returns or raises")


class _RangeError(TransientError):
    """The server has not the part that was asked for."""


class _UnreachableError(DownloadError):
    """No connection can be made to the host at all."""


class _Part:
    """What came of a body so far, and what to recognise it by."""

    def __init__(self, to: Path) -> None:
        self.path = to.with_name(to.name + ".part")
        self._note = to.with_name(to.name + ".part.json")

    @property
    def validator(self) -> str:
        return self._read_note().get("validator", "")

    def _read_note(self) -> dict[str, str]:
        try:
            note = json.loads(self._note.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return {}
        return note if isinstance(note, dict) else {}

    def size(self, url: str) -> int:
        """Bytes that a further request may follow on; 0 where they cannot be recognised."""
        note = self._read_note()
        if note.get("url") != url or not note.get("validator") or not self.path.is_file():
            return 0
        return self.path.stat().st_size

    def begin(self, url: str, validator: str) -> None:
        self._note.write_text(json.dumps({"url": url, "validator": validator}), encoding="utf-8")

    def forget_note(self) -> None:
        """The body is whole: nothing may be added to it."""
        self._note.unlink(missing_ok=True)

    def forget(self) -> None:
        self.path.unlink(missing_ok=True)
        self.forget_note()


def hash_file(path: Path) -> str:
    """SHA-256 of a file, as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def describe(body: bytes) -> str:
    """What the beginning of a body looks like, in words."""
    start = body[:1000].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        return "a web page"
    if start.startswith(b"<?xml"):
        return "an XML document"
    if start.startswith((b"{", b"[")):
        return f"a JSON document ({body[:200].decode('utf-8', 'replace').strip()})"
    if not body:
        return "nothing"
    return f"{body[:40]!r}"


def _decode(path: Path, to: Path) -> None:
    """Move ``path`` to ``to``, decompressed when its first two bytes say that it is gzip."""
    with path.open("rb") as file:
        is_gzip = file.read(2) == GZIP
    if not is_gzip:
        os.replace(path, to)
        return
    done = 0
    try:
        with gzip.open(path) as packed, to.open("wb") as plain:
            while chunk := packed.read(CHUNK):
                done += len(chunk)
                if done > MOST_BYTES:
                    raise DownloadError(f"{to.name}: more than {MOST_BYTES:,} bytes unpacked")
                plain.write(chunk)
    except (OSError, EOFError, zlib.error) as error:
        to.unlink(missing_ok=True)
        raise TransientError(f"{to.name}: compressed body is damaged ({error})") from error
    except BaseException:
        to.unlink(missing_ok=True)
        raise
    finally:
        path.unlink(missing_ok=True)


def _validator(headers: http.client.HTTPMessage) -> str:
    """What a part can be recognised by: a strong entity tag, or else the date of change. None
    where the body is made anew for each request.
    """
    tag = headers.get("ETag", "")
    if tag and not tag.startswith("W/"):
        return tag
    return headers.get("Last-Modified", "")


def _continues(answer: http.client.HTTPResponse, start: int) -> bool:
    match = re.match(r"bytes (\d+)-", answer.headers.get("Content-Range", ""))
    return bool(match) and int(match[1]) == start  # type: ignore[index]


def _file_name(headers: http.client.HTTPMessage, url: str) -> str:
    """The publisher's name for a file: what the server says, or the end of its address."""
    name = headers.get_filename() or urllib.parse.unquote(urllib.parse.urlsplit(url).path)
    return name.replace("\\", "/").rsplit("/", 1)[-1]


def _status_error(url: str, error: urllib.error.HTTPError) -> DownloadError:
    text = f"{url}: {error.code} {error.reason}".replace("\n", " ")
    if error.code == 416:
        return _RangeError(text, wait=0)
    if error.code in RETRIED:
        return TransientError(text, _retry_after(error.headers.get("Retry-After", "")))
    return DownloadError(text)


def _whole(text: str) -> int | None:
    """The number that a header holds; None where it holds none."""
    return int(text) if re.fullmatch(r"[0-9]{1,15}", text := text.strip()) else None


def _retry_after(text: str) -> float | None:
    """Seconds from a Retry-After header, which holds seconds or a date; None for neither."""
    seconds = _whole(text)
    if seconds is not None:
        return float(seconds)
    try:
        when = email.utils.parsedate_to_datetime(text)
        if when.tzinfo is None:
            when = when.replace(tzinfo=UTC)
        return max(0.0, (when - datetime.now(UTC)).total_seconds())
    except (ValueError, OverflowError):
        return None


def _connection_error(url: str, reason: object) -> DownloadError:
    if isinstance(reason, (socket.gaierror, ssl.SSLCertVerificationError, ConnectionRefusedError)):
        return _UnreachableError(_in_words(reason))
    if isinstance(reason, OSError):
        return TransientError(f"{url}: {_in_words(reason)}")
    return DownloadError(f"{url}: {reason}")


def _in_words(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, http.client.IncompleteRead):
        return "cut off"
    if isinstance(error, ConnectionResetError | http.client.RemoteDisconnected):
        return "connection closed by the server"
    return str(error) or type(error).__name__
