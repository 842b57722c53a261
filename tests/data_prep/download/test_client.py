"""The HTTP client against a server that misbehaves."""

import gzip
import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_prep.download import client as module
from data_prep.download.client import Client, DownloadError, _retry_after, describe
from tests.data_prep.download.server import Fake, Reply, Seen

BODY = b"la,year,count\n" + b"".join(b"E0600%04d,2013,%d\n" % (n, n) for n in range(2000))
TAG = {"ETag": '"v1"'}


def left(to: Path) -> set[str]:
    return {path.name for path in to.parent.iterdir()}


def ranged(body: bytes, headers: dict[str, str]) -> Callable[[Seen], Reply]:
    """A server that gives the part that is asked for, if it is still the same file."""

    def reply(seen: Seen) -> Reply:
        wanted = seen.headers.get("Range", "")
        if not wanted or seen.headers.get("If-Range") != headers["ETag"]:
            return Reply(body, headers=headers)
        start = int(wanted.removeprefix("bytes=").removesuffix("-"))
        place = {"Content-Range": f"bytes {start}-{len(body) - 1}/{len(body)}"}
        return Reply(body[start:], 206, headers | place)

    return reply


# ------------------------------------------------------------------------------ all is well


def test_a_file_comes_as_it_is(fake: Fake, client: Client, to: Path) -> None:
    url = fake.on("/a.csv", Reply(BODY, headers={"Content-Type": "text/csv; charset=utf-8"}))
    steps: list[tuple[int, int | None]] = []
    response = client.fetch(url, to, lambda done, total: steps.append((done, total)))
    assert to.read_bytes() == BODY
    assert (response.content_type, response.file_name) == ("text/csv", "a.csv")
    assert steps[0] == (0, len(BODY))
    assert steps[-1] == (len(BODY), len(BODY))
    assert left(to) == {"file.csv"}
    assert "childrens-social-care-models" in fake.seen[0].headers["User-Agent"]


def test_a_body_of_unknown_length_comes_too(fake: Fake, client: Client, to: Path) -> None:
    client.fetch(fake.on("/a", Reply(BODY, length=-1)), to)
    assert to.read_bytes() == BODY


def test_gzip_that_was_not_asked_for_is_decoded(fake: Fake, client: Client, to: Path) -> None:
    client.fetch(
        fake.on("/a", Reply(gzip.compress(BODY), headers={"Content-Encoding": "gzip"})), to
    )
    assert to.read_bytes() == BODY
    assert client.fetch_text(fake.on("/b", Reply(gzip.compress(BODY)))) == BODY


def test_a_redirect_is_followed_and_recorded(fake: Fake, client: Client, to: Path) -> None:
    fake.on("/there/real.csv", Reply(BODY))
    url = fake.on("/here", Reply(status=302, headers={"Location": "/there/real.csv"}))
    response = client.fetch(url, to)
    assert response.resolved_url == fake.address + "/there/real.csv"
    assert response.file_name == "real.csv"


def test_the_server_s_own_name_for_a_file_wins(fake: Fake, client: Client, to: Path) -> None:
    header = {"Content-Disposition": 'attachment; filename="../../evil/c1.csv"'}
    assert client.fetch(fake.on("/csv", Reply(BODY, headers=header)), to).file_name == "c1.csv"


def test_a_proxy_of_the_environment_is_used(
    fake: Fake, make_client: Callable[..., Client], to: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", fake.address)
    fake.on("http://publisher.invalid/a.csv", Reply(BODY))
    make_client(proxies=None).fetch("http://publisher.invalid/a.csv", to)
    assert to.read_bytes() == BODY


# ------------------------------------------------------------------------------ tried again


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_a_passing_fault_is_tried_again(
    fake: Fake, client: Client, to: Path, slept: list[float], status: int
) -> None:
    client.fetch(fake.on("/a", Reply(status=status), Reply(status=status), Reply(BODY)), to)
    assert to.read_bytes() == BODY
    assert slept == [1.0, 2.0]


def test_the_server_s_pause_is_kept(
    fake: Fake, client: Client, to: Path, slept: list[float]
) -> None:
    client.fetch(fake.on("/a", Reply(status=429, headers={"Retry-After": "7"}), Reply(BODY)), to)
    assert slept == [7.0]


def test_too_long_a_pause_is_not_waited_for(
    fake: Fake, client: Client, to: Path, slept: list[float]
) -> None:
    url = fake.on("/a", Reply(status=429, headers={"Retry-After": "9999"}))
    with pytest.raises(DownloadError, match="asks to wait 9999 seconds"):
        client.fetch(url, to)
    assert slept == []


def test_a_pause_may_be_a_date() -> None:
    soon = datetime.now(UTC) + timedelta(seconds=90)
    assert _retry_after(format_datetime(soon, usegmt=True)) == pytest.approx(90, abs=3)
    past = datetime.now(UTC) - timedelta(days=1)
    assert _retry_after(format_datetime(past)) == 0.0


@given(st.text())
def test_no_pause_is_made_up(text: str) -> None:
    seconds = _retry_after(text)
    assert seconds is None or seconds >= 0


def test_a_fault_that_stays_ends_the_tries(fake: Fake, client: Client, to: Path) -> None:
    url = fake.on("/a", Reply(status=500))
    with pytest.raises(DownloadError, match=r"500 .*, 3 times tried"):
        client.fetch(url, to)
    assert fake.count("/a") == 3
    assert not to.exists()


def test_what_will_not_change_is_not_tried_again(fake: Fake, client: Client, to: Path) -> None:
    with pytest.raises(DownloadError, match="404"):
        client.fetch(fake.address + "/a", to)
    assert fake.count("/a") == 1


def test_a_redirect_loop_is_refused(fake: Fake, client: Client, to: Path) -> None:
    fake.on("/b", Reply(status=302, headers={"Location": "/a"}))
    url = fake.on("/a", Reply(status=302, headers={"Location": "/b"}))
    with pytest.raises(DownloadError, match="loop"):
        client.fetch(url, to)


@pytest.mark.parametrize("target", ["file:///etc/hostname", "ftp://127.0.0.1/a"])
def test_a_redirect_out_of_the_web_is_refused(
    fake: Fake, client: Client, to: Path, target: str
) -> None:
    url = fake.on("/a", Reply(status=302, headers={"Location": target}))
    with pytest.raises(DownloadError):
        client.fetch(url, to)
    assert not to.exists()


def test_a_slow_server_is_given_up(
    fake: Fake, make_client: Callable[..., Client], to: Path
) -> None:
    url = fake.on("/a", Reply(BODY[:100], length=len(BODY), wait=True))
    with pytest.raises(DownloadError, match="no answer in time"):
        make_client(timeout=0.2, attempts=2).fetch(url, to)
    assert not to.exists()


def test_an_endless_trickle_is_broken_off(
    fake: Fake, make_client: Callable[..., Client], to: Path
) -> None:
    ticks = iter(range(0, 10_000, 600))
    slow = make_client(clock=lambda: float(next(ticks)), attempts=1, longest_try=500)
    with pytest.raises(DownloadError, match="500 seconds are over"):
        slow.fetch(fake.on("/a", Reply(BODY)), to)


def test_a_reset_connection_is_tried_again(fake: Fake, client: Client, to: Path) -> None:
    url = fake.on("/a", Reply(BODY[:50], length=len(BODY), reset=True), Reply(BODY))
    client.fetch(url, to)
    assert to.read_bytes() == BODY


def test_a_host_that_refuses_is_asked_once(client: Client, to: Path, slept: list[float]) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{unused.getsockname()[1]}"
        for name in ("a", "b"):
            with pytest.raises(DownloadError, match=f"{host} cannot be reached"):
                client.fetch(f"http://{host}/{name}", to)
    assert slept == []


def test_a_body_without_end_is_refused(
    fake: Fake, client: Client, to: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_BYTES", 1000)
    with pytest.raises(DownloadError, match="more than 1,000 bytes"):
        client.fetch(fake.on("/a", Reply(BODY)), to)
    with pytest.raises(DownloadError, match="more than 1,000 bytes unpacked"):
        client.fetch(fake.on("/b", Reply(gzip.compress(bytes(100_000)))), to)
    assert not to.exists()


# ------------------------------------------------------------------------------ cut off, resumed


def test_a_cut_body_is_resumed(fake: Fake, client: Client, to: Path) -> None:
    cut = Reply(BODY[:5000], headers=TAG, length=len(BODY))
    client.fetch(fake.on("/a", cut, ranged(BODY, TAG)), to)
    assert to.read_bytes() == BODY
    assert fake.seen[1].headers["Range"] == "bytes=5000-"
    assert fake.seen[1].headers["If-Range"] == '"v1"'
    assert left(to) == {"file.csv"}


def test_a_later_call_goes_on(fake: Fake, make_client: Callable[..., Client], to: Path) -> None:
    cut = Reply(BODY[:5000], headers=TAG, length=len(BODY))
    url = fake.on("/a", cut, ranged(BODY, TAG))
    with pytest.raises(DownloadError, match=r"5,000 of [\d,]+ bytes came"):
        make_client(attempts=1).fetch(url, to)
    assert left(to) == {"file.csv.part", "file.csv.part.json"}
    make_client().fetch(url, to)
    assert to.read_bytes() == BODY
    assert "Range" in fake.seen[1].headers


def test_a_server_that_ignores_the_range_is_understood(
    fake: Fake, client: Client, to: Path
) -> None:
    cut = Reply(BODY[:5000], headers=TAG, length=len(BODY))
    client.fetch(fake.on("/a", cut, Reply(BODY, headers=TAG)), to)
    assert to.read_bytes() == BODY


def test_a_file_that_changed_is_not_pieced_together(fake: Fake, client: Client, to: Path) -> None:
    new, tag = BODY.replace(b"2013", b"2014"), {"ETag": '"v2"'}
    cut = Reply(BODY[:5000], headers=TAG, length=len(BODY))
    client.fetch(fake.on("/a", cut, ranged(new, tag)), to)
    assert to.read_bytes() == new


@pytest.mark.parametrize("headers", [{}, {"ETag": 'W/"weak"'}])
def test_what_cannot_be_recognised_is_not_resumed(
    fake: Fake, client: Client, to: Path, headers: dict[str, str]
) -> None:
    cut = Reply(BODY[:5000], headers=headers, length=len(BODY))
    client.fetch(fake.on("/a", cut, Reply(BODY)), to)
    assert to.read_bytes() == BODY
    assert "Range" not in fake.seen[1].headers


@pytest.mark.parametrize(
    "reply", [Reply(status=416), Reply(b"x", 206, TAG | {"Content-Range": "bytes 0-0/9"})]
)
def test_a_part_that_does_not_fit_is_dropped(
    fake: Fake, client: Client, to: Path, reply: Reply
) -> None:
    cut = Reply(BODY[:5000], headers=TAG, length=len(BODY))
    client.fetch(fake.on("/a", cut, reply, Reply(BODY, headers=TAG)), to)
    assert to.read_bytes() == BODY


def test_a_part_of_another_address_is_not_used(
    fake: Fake, make_client: Callable[..., Client], to: Path
) -> None:
    cut = fake.on("/a", Reply(BODY[:5000], headers=TAG, length=len(BODY)))
    with pytest.raises(DownloadError):
        make_client(attempts=1).fetch(cut, to)
    make_client().fetch(fake.on("/b", ranged(BODY, TAG)), to)
    assert "Range" not in fake.seen[1].headers


def test_damaged_gzip_is_fetched_again(fake: Fake, client: Client, to: Path) -> None:
    packed = gzip.compress(BODY)
    url = fake.on("/a", Reply(packed[:-20], length=-1), Reply(packed, length=-1))
    client.fetch(url, to)
    assert to.read_bytes() == BODY
    assert fake.count("/a") == 2


def test_a_short_text_is_not_cut_either(fake: Fake, client: Client) -> None:
    url = fake.on("/a", Reply(BODY[:9], length=len(BODY)), Reply(BODY))
    assert client.fetch_text(url) == BODY


def test_an_interrupt_leaves_no_file(fake: Fake, client: Client, to: Path) -> None:
    def interrupt(done: int, total: int | None) -> None:
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        client.fetch(fake.on("/a", ranged(BODY, TAG)), to, interrupt)
    assert left(to) <= {"file.csv.part", "file.csv.part.json"}
    client.fetch(fake.address + "/a", to)
    assert to.read_bytes() == BODY


# ------------------------------------------------------------------------------ JSON, in words


def test_json_is_read_and_anything_else_refused(fake: Fake, client: Client) -> None:
    assert client.fetch_json(fake.on("/a", Reply(b'{"count": 3}'))) == {"count": 3}
    with pytest.raises(DownloadError, match="a web page and not JSON"):
        client.fetch_json(fake.on("/b", Reply(b"<!DOCTYPE html><html>Sorry</html>")))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"\xef\xbb\xbf\n <!doctype HTML>", "a web page"),
        (b"<HTML><body>", "a web page"),
        (b"<?xml version='1.0'?>", "an XML document"),
        (b'{"error": 1}', "a JSON document"),
        (b"", "nothing"),
        (b"geog_l,geog_c", "geog_l"),
    ],
)
def test_what_came_is_described(body: bytes, words: str) -> None:
    assert words in describe(body)
