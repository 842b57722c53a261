"""Invented files in the layouts of the official ones, and answers of the publishers' servers."""

import csv
import io
import json
import zipfile
from collections.abc import Mapping

from data_prep.download.catalogue import CATALOGUE, EesRelease, Member, Source
from data_prep.sources.ees_cin import FIRST_YEAR, TABLES
from tests.data_prep.ees_files import make_rows

SOURCES = {source.name: source for source in CATALOGUE}
PINNED = "9d18dcc5-207b-43d3-c0e1-08ddff5126a0"
CURRENT = "11111111-2222-3333-4444-555555555555"
PUBLICATION = "children-in-need"

NAMES = {
    "c1": "data/c1_children_in_need_referrals_and_rereferrals_2013_to_2025.csv",
    "d3": "data/d3_cpps_subsequent_plan_2013_to_2025.csv",
}


def ees_table(member: str, last_year: int = FIRST_YEAR) -> bytes:
    """A table of the children in need release, by the name of its member."""
    (table,) = [table for table in TABLES if table.name == member.upper()]
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(make_rows(table, last_year, newest=True))
    return text.getvalue().encode()


# Rows below the header of each of them.
ROWS = len(ees_table("c1").splitlines()) - 1


def make_zip(files: Mapping[str, bytes]) -> bytes:
    """A zip with these files, by name."""
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return body.getvalue()


def release_zip(*members: str) -> bytes:
    """The zip of a release with some of its members."""
    files = {NAMES[member]: ees_table(member) for member in members}
    return make_zip({**files, "data-guidance/data-guidance.txt": b"Guidance"})


def cin_source() -> Source:
    """The children in need release with two of its members: one has a data set of its own."""
    full = SOURCES["ees-cin"]
    return Source(
        **{
            **vars(full),
            "members": tuple(member for member in full.members if member.name in NAMES),
        }
    )


def releases_url() -> str:
    """Path of the publisher's list of releases."""
    return f"/api/publications/{PUBLICATION}/releases"


def releases(current: str = CURRENT, slug: str = "2025") -> bytes:
    """The publisher's list of releases with ``current`` as the one that counts."""
    items = [
        {"id": current, "slug": slug, "latestRelease": True, "title": "Reporting year 2025"},
        {"id": "0" * 8, "slug": "2024", "latestRelease": False, "title": "Reporting year 2024"},
    ]
    return json.dumps(items).encode()


def page_url(slug: str = "2025") -> str:
    """Path of the page of a release."""
    return f"/find-statistics/{PUBLICATION}/{slug}/explore"


def page(current: str = CURRENT, data_set: str = "set-of-c1", rows: int | None = ROWS) -> bytes:
    """The page of a release, with the data that it carries."""
    data = {
        "props": {
            "pageProps": {
                "releaseVersionSummary": {"id": current},
                "dataContent": {
                    "releaseVersionId": current,
                    "dataSets": [
                        {
                            "dataSetFileId": data_set,
                            "title": "C1 Referrals and re-referrals",
                            "meta": {"numDataFileRows": rows},
                        }
                    ],
                },
            }
        }
    }
    script = f'<script id="__NEXT_DATA__" type="application/json">{json.dumps(data)}</script>'
    return f"<!DOCTYPE html><html><body>{script}</body></html>".encode()


def zip_url(release: str = CURRENT) -> str:
    """Path of the zip of a release."""
    return f"/api/releases/{release}/files"


def attachments(*items: tuple[str, str]) -> bytes:
    """The Content API's answer for a page with attachments of these titles and addresses."""
    listed = [
        {"title": title, "url": url, "filename": url.rsplit("/", 1)[-1], "content_type": "x"}
        for title, url in items
    ]
    return json.dumps({"details": {"attachments": listed}}).encode()


def areas(count: int, start: int = 0) -> list[dict]:
    """Areas of a map of December 2023."""
    return [
        {
            "type": "Feature",
            "id": n,
            "properties": {"CTYUA23CD": f"E06{n:06d}", "CTYUA23NM": f"Place {n}"},
            "geometry": {"type": "Point", "coordinates": [n / 10, 52.5]},
        }
        for n in range(start, start + count)
    ]


def feature_collection(features: list[dict], *, cut: bool = False) -> bytes:
    """A page of a map; ``cut`` when the service has more."""
    document: dict = {"type": "FeatureCollection", "features": features}
    if cut:
        document["properties"] = {"exceededTransferLimit": True}
    return json.dumps(document).encode()


def nomis(years: range, areas: int = 150, ages: range = range(18)) -> bytes:
    """A Nomis table of all ages, years and areas."""
    lines = ['"DATE_NAME","GEOGRAPHY_CODE","GEOGRAPHY_NAME","C_AGE_NAME","OBS_VALUE"']
    lines += [
        f'{year},"E0600{area:04d}","Place","Age {age}",100'
        for year in years
        for area in range(areas)
        for age in ages
    ]
    return "\n".join([*lines, ""]).encode()


def pinned(source: Source) -> EesRelease:
    """The release that a source is declared with."""
    (locator,) = source.locators
    assert isinstance(locator, EesRelease)
    return locator


def member(source: Source, name: str) -> Member:
    """A member of a source by name."""
    return next(item for item in source.members if item.name == name)
