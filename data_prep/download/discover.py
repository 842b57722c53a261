"""Finds addresses that change: the current EES release, attachments of GOV.UK pages."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urljoin, urlsplit

from data_prep.download.catalogue import EesRelease, GovukPage, Hosts
from data_prep.download.client import Client, DownloadError


@dataclass(frozen=True)
class DataSet:
    """One data set of a release: its own id and, where told, its rows below the header."""

    id: str
    title: str
    rows: int | None


@dataclass(frozen=True)
class Release:
    """A version of a release; ``how`` says where its id was found."""

    id: str
    slug: str
    how: str
    data_sets: tuple[DataSet, ...] = field(default=())


def find_releases(
    client: Client, hosts: Hosts, wanted: EesRelease, problems: list[str]
) -> Iterator[Release]:
    """Versions to try, surest first, each id once: the current one by the publisher's list, then
    by the page of the release, then the one pinned in the catalogue. What failed is added to
    ``problems``.
    """
    seen: set[str] = set()
    slug = wanted.pinned_slug
    try:
        listed = read_release_list(client, hosts, wanted.publication)
    except DownloadError as error:
        problems.append(str(error))
    else:
        seen.add(listed.id)
        slug = listed.slug
        yield listed
    try:
        page = read_release_page(client, hosts, wanted.publication, slug)
    except DownloadError as error:
        problems.append(str(error))
    else:
        if page.id not in seen:
            seen.add(page.id)
            yield page
    if wanted.pinned_id not in seen:
        yield Release(wanted.pinned_id, wanted.pinned_slug, "pinned in the catalogue")


def read_release_list(client: Client, hosts: Hosts, publication: str) -> Release:
    """The current release by the list of all releases of a publication.

    Raises
    ------
    DownloadError
        When the list does not come or names no current release.
    """
    url = f"{hosts.ees_content}/api/publications/{publication}/releases"
    items = client.fetch_json(url)
    if not isinstance(items, list):
        raise DownloadError(f"{url} gave no list of releases")
    current = [
        item
        for item in items
        if isinstance(item, dict) and item.get("latestRelease") is True and _text(item, "id")
    ]
    if len(current) != 1:
        raise DownloadError(f"{url} names {len(current)} current releases and not one")
    return Release(_text(current[0], "id"), _text(current[0], "slug"), "publisher's list")


def read_release_page(client: Client, hosts: Hosts, publication: str, slug: str) -> Release:
    """A release by the data that its web page carries.

    Raises
    ------
    DownloadError
        When the page does not come or carries no such data.
    """
    url = f"{hosts.ees_site}/find-statistics/{publication}/{slug}/explore"
    body = client.fetch_text(url).decode("utf-8", "replace")
    match = re.search(r'<script[^>]*id="__NEXT_DATA__"[^>]*>(.*?)</script>', body, re.DOTALL)
    try:
        properties = json.loads(match[1])["props"]["pageProps"] if match else {}
    except (ValueError, KeyError, TypeError) as error:
        raise DownloadError(f"{url}: its data cannot be read ({error})") from error
    summary = _dict(properties, "releaseVersionSummary")
    content = _dict(properties, "dataContent")
    found = _text(summary, "id") or _text(content, "releaseVersionId")
    if not found:
        raise DownloadError(f"{url} names no release version")
    return Release(found, slug, "page of the release", tuple(_data_sets(content)))


def _data_sets(content: dict[str, Any]) -> Iterator[DataSet]:
    items = content.get("dataSets")
    for item in items if isinstance(items, list) else []:
        if isinstance(item, dict) and _text(item, "dataSetFileId"):
            rows = _dict(item, "meta").get("numDataFileRows")
            yield DataSet(
                _text(item, "dataSetFileId"),
                _text(item, "title"),
                rows if isinstance(rows, int) else None,
            )


def choose_data_set(release: Release | None, title: str) -> DataSet | None:
    """The one data set of a release whose title begins with the word ``title``, or None."""
    if release is None or not title:
        return None
    found = [d for d in release.data_sets if re.match(rf"{re.escape(title)}\b", d.title)]
    return found[0] if len(found) == 1 else None


def find_attachment(client: Client, hosts: Hosts, wanted: GovukPage) -> str:
    """Address of the one attachment that is wanted.

    Raises
    ------
    DownloadError
        When none or several match, naming what there is.
    """
    path = _find_document(client, hosts, wanted) if wanted.document else wanted.path
    url = f"{hosts.govuk}/api/content/{path}"
    details = _dict(client.fetch_json(url), "details")
    items = details.get("attachments")
    attachments = [
        (_text(item, "title"), _text(item, "filename"), urljoin(hosts.govuk, _text(item, "url")))
        for item in (items if isinstance(items, list) else [])
        if isinstance(item, dict) and _text(item, "url")
    ]
    # A page may offer the same file under the title and again in an accessible format.
    found = {
        address: title or name
        for title, name, address in attachments
        if _extension(address) in wanted.extensions
        and re.search(wanted.attachment, f"{title} | {name or _end(address)}", re.IGNORECASE)
    }
    if len(found) != 1:
        there = "; ".join(f"{title or name} ({_end(a)})" for title, name, a in attachments)
        count = "no attachment" if not found else f"{len(found)} attachments"
        raise DownloadError(f"{url}: {count} matching what is wanted; there are: {there or 'none'}")
    return next(iter(found))


def _find_document(client: Client, hosts: Hosts, wanted: GovukPage) -> str:
    url = f"{hosts.govuk}/api/content/{wanted.path}"
    items = _dict(client.fetch_json(url), "links").get("documents")
    documents = [
        (_text(item, "title"), _text(item, "base_path"))
        for item in (items if isinstance(items, list) else [])
        if isinstance(item, dict)
    ]
    found = [
        path
        for title, path in documents
        if path and re.search(wanted.document, title, re.IGNORECASE)
    ]
    if len(found) != 1:
        raise DownloadError(
            f"{url}: {len(found)} of {len(documents)} documents match what is wanted: "
            f"{', '.join(found) or 'none'}"
        )
    return found[0].lstrip("/")


def _dict(value: Any, key: str) -> dict[str, Any]:
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, dict) else {}


def _text(value: dict[str, Any], key: str) -> str:
    found = value.get(key)
    return found if isinstance(found, str) else ""


def _end(address: str) -> str:
    return PurePosixPath(urlsplit(address).path).name


def _extension(address: str) -> str:
    return PurePosixPath(urlsplit(address).path).suffix.lower()
