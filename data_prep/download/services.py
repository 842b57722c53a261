"""Services that answer questions: ArcGIS layers page by page, Nomis tables."""

import csv
import hashlib
import io
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from data_prep.download.catalogue import ArcgisLayer, Hosts, NomisQuery
from data_prep.download.client import (
    RETRIED,
    Client,
    DownloadError,
    Progress,
    TransientError,
    describe,
)

# Nomis cuts answers to guests after this many rows, and says nothing.
NOMIS_ROWS = 25_000
NOMIS_YEARS = 6
# ONS holds a fixed folder of services under this number.
_ARCGIS_FOLDER = "ESMARspQHYMw9BZ9"
_PAGES = 200


@dataclass(frozen=True)
class Answer:
    """What a service gave: the body to keep, the first address asked, and a note on how."""

    body: bytes
    url: str
    note: str = ""


def fetch_layer(
    client: Client, hosts: Hosts, layer: ArcgisLayer, progress: Progress = lambda done, total: None
) -> Answer:
    """All areas of a layer as GeoJSON in degrees (WGS 84). One page is kept as it came; several
    are joined into one collection, in order, with their hashes in the note.

    Raises
    ------
    DownloadError
        When a page is an error (errors come with status 200), repeats areas, or fewer areas come
        than the service counts.
    """
    query = (
        f"{hosts.arcgis}/{_ARCGIS_FOLDER}/arcgis/rest/services/{layer.service}"
        "/FeatureServer/0/query?"
    )
    counted = client.fetch_json(
        query + urlencode({"where": "1=1", "returnCountOnly": "true", "f": "json"}), _refuse_error
    )
    count = counted.get("count") if isinstance(counted, dict) else None
    if not isinstance(count, int):
        raise DownloadError(f"{query} gave no count of areas")
    pages: list[bytes] = []
    features: list[Any] = []
    seen: set[str] = set()
    first_url = ""
    while len(pages) < _PAGES:
        words = {"where": "1=1", "outFields": "*", "outSR": "4326", "f": "geojson"}
        if features:
            words["resultOffset"] = str(len(features))
        url = query + urlencode(words)
        first_url = first_url or url
        body = client.fetch_text(url, _refuse_error_body)
        page = json.loads(body)
        found = page.get("features") if isinstance(page, dict) else None
        if not isinstance(found, list):
            raise DownloadError(f"{url} gave {describe(body)} and no map")
        keys = [json.dumps(item, sort_keys=True) for item in found]
        if seen.intersection(keys):
            raise DownloadError(f"{url} gave areas again that an earlier page held")
        seen.update(keys)
        pages.append(body)
        features += found
        progress(sum(map(len, pages)), None)
        is_cut = page.get("exceededTransferLimit") or (page.get("properties") or {}).get(
            "exceededTransferLimit"
        )
        if not is_cut:
            break
        if not found:
            raise DownloadError(f"{url} says that areas are left and gives none")
    if len(features) != count:
        raise DownloadError(f"{first_url}: {len(features)} of {count} areas came")
    if len(pages) == 1:
        return Answer(pages[0], first_url)
    joined = {key: value for key, value in json.loads(pages[0]).items() if key != "properties"}
    joined.pop("exceededTransferLimit", None)
    joined["features"] = features
    hashes = ", ".join(hashlib.sha256(page).hexdigest() for page in pages)
    return Answer(
        json.dumps(joined, ensure_ascii=False, separators=(",", ":")).encode(),
        first_url,
        f"joined from {len(pages)} pages with sha256 {hashes}",
    )


def _refuse_error_body(body: bytes) -> None:
    try:
        value = json.loads(body)
    except ValueError as error:
        raise DownloadError(f"the layer gave {describe(body)} and not JSON") from error
    _refuse_error(value)


def _refuse_error(value: Any) -> None:
    error = value.get("error") if isinstance(value, dict) else None
    if error is None:
        return
    code = error.get("code") if isinstance(error, dict) else None
    message = error.get("message") if isinstance(error, dict) else error
    text = f"the layer gave an error: {code} {message}"
    raise TransientError(text) if code in RETRIED else DownloadError(text)


def nomis_url(hosts: Hosts, query: NomisQuery) -> str:
    """Address of a Nomis table of persons by single year of age."""
    first, last = query.ages
    words = {
        "geography": query.geography,
        "date": f"{query.first_year}-{query.last_year}",
        "gender": "0",
        # Age 0 is item 101 of the classification.
        "c_age": f"{101 + first}...{101 + last}",
        "measures": "20100",
        "select": "date_name,geography_code,geography_name,c_age_name,obs_value",
    }
    return f"{hosts.nomis}/api/v01/dataset/{query.dataset}.data.csv?{urlencode(words, safe=',')}"


def fetch_nomis(client: Client, hosts: Hosts, query: NomisQuery) -> Answer:
    """A Nomis table that is known to be whole.

    Raises
    ------
    DownloadError
        When it is no table, or not every area has every year and age once: Nomis cuts long answers
        without a word.
    """
    years = range(query.first_year, query.last_year + 1)
    if len(years) > NOMIS_YEARS:
        raise DownloadError(f"{len(years)} years in one call would be cut: at most {NOMIS_YEARS}")
    url = nomis_url(hosts, query)
    body = client.fetch_text(url)
    if describe(body) in ("a web page", "nothing"):
        raise DownloadError(f"{url} gave {describe(body)} and no table")
    table = csv.DictReader(io.StringIO(body.decode("utf-8-sig", "replace"), newline=""))
    names = {name.upper(): name for name in table.fieldnames or ()}
    wanted = ("DATE_NAME", "GEOGRAPHY_CODE", "C_AGE_NAME", "OBS_VALUE")
    missing = [name for name in wanted if name not in names]
    if missing:
        raise DownloadError(f"{url} gave no column {', '.join(missing)}: {describe(body)}")
    date, area, age = (names[name] for name in wanted[:3])
    rows = list(table)
    cells = {(row[date], row[area], row[age]) for row in rows}
    dates, areas, ages = ({cell[place] for cell in cells} for place in range(3))
    expected = len(areas) * len(years) * (query.ages[1] - query.ages[0] + 1)
    whole = (
        len(rows) == len(cells) == expected
        and len(dates) == len(years)
        and {str(year) for year in years} == dates
        and len(ages) == query.ages[1] - query.ages[0] + 1
    )
    if len(rows) >= NOMIS_ROWS or not whole:
        raise DownloadError(
            f"{url}: {len(rows):,} rows of {len(areas)} areas, {len(dates)} years and {len(ages)} "
            f"ages; {expected:,} make it whole, and {NOMIS_ROWS:,} are cut without a word"
        )
    return Answer(body, url)
