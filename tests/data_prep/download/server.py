"""A server on loopback that misbehaves as it is told."""

import http.server
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from socket import SO_LINGER, SOL_SOCKET
from struct import pack

from data_prep.download.catalogue import Hosts


@dataclass
class Reply:
    """One answer. ``length`` is what Content-Length says (None: the body's length; -1: no such
    header); ``reset`` breaks the connection after the body; ``wait`` holds it until the server
    stops.
    """

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    length: int | None = None
    reset: bool = False
    wait: bool = False


@dataclass
class Seen:
    """One request that came."""

    path: str
    headers: dict[str, str]


type Answer = Reply | Callable[[Seen], Reply]


class Fake:
    """Answers each path with its replies in turn, the last one again and again; 404 otherwise."""

    def __init__(self, address: str, stop: threading.Event) -> None:
        self.address = address
        self.stop = stop
        self.replies: dict[str, list[Answer]] = {}
        self.seen: list[Seen] = []

    @property
    def hosts(self) -> Hosts:
        names = ("ees_content", "ees_site", "govuk", "assets", "arcgis", "nomis", "ons")
        return Hosts(**dict.fromkeys(names, self.address))

    def on(self, path: str, *replies: Answer) -> str:
        """Set the replies of a path (with its query, or without to match any); its address."""
        self.replies[path] = list(replies)
        return self.address + path

    def answer(self, seen: Seen) -> Reply:
        self.seen.append(seen)
        for path in (seen.path, seen.path.partition("?")[0]):
            if path in self.replies:
                queue = self.replies[path]
                reply = queue.pop(0) if len(queue) > 1 else queue[0]
                return reply(seen) if callable(reply) else reply
        return Reply(b"not found", 404, {"Content-Type": "text/plain"})

    def count(self, path: str) -> int:
        return sum(seen.path.partition("?")[0] == path.partition("?")[0] for seen in self.seen)


@contextmanager
def serve() -> Iterator[Fake]:
    """Run the server until the block ends."""
    stop = threading.Event()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            reply = fake.answer(Seen(self.path, dict(self.headers)))
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            length = len(reply.body) if reply.length is None else reply.length
            if length >= 0:
                self.send_header("Content-Length", str(length))
            self.end_headers()
            self.wfile.write(reply.body)
            self.wfile.flush()
            if reply.wait:
                stop.wait(10)
            if reply.reset:
                self.connection.setsockopt(SOL_SOCKET, SO_LINGER, pack("ii", 1, 0))
                self.connection.close()

        def log_message(self, format: str, *args: object) -> None:
            pass

    class Server(http.server.ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            """A connection that a test broke is no news."""

    server = Server(("127.0.0.1", 0), Handler)
    fake = Fake(f"http://127.0.0.1:{server.server_port}", stop)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield fake
    finally:
        stop.set()
        server.shutdown()
        server.server_close()
        thread.join()
