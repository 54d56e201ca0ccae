"""A web server on loopback for tests of downloads: whole files, ranges and trouble."""

import http.server
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


class Server(http.server.ThreadingHTTPServer):
    """Serves ``files``, by their names.

    Attributes:
        files: name -> content; change it as you like.
        cut: names of files that break off half-way.
        content_types: name -> Content-Type, where it is not that of an archive.
        ranges: whether it answers to a Range.
        delay_seconds: before each answer.
        requests: (name, Range or None) of each request.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes] = {}
        self.cut: set[str] = set()
        self.content_types: dict[str, str] = {}
        self.ranges = True
        self.delay_seconds = 0.0
        self.requests: list[tuple[str, str | None]] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


@contextmanager
def serving() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield server
        server.shutdown()


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        server, name, asked = self.server, self.path.rpartition("/")[2], self.headers["Range"]
        server.requests.append((name, asked))
        time.sleep(server.delay_seconds)
        if name not in server.files:
            return self.send_error(404)
        data, start = server.files[name], 0
        if asked and server.ranges:
            start = int(re.fullmatch(r"bytes=(\d+)-", asked)[1])
            if start >= len(data):
                return self.send_error(416)
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(data) - start))
        self.send_header("Content-Type", server.content_types.get(name, "application/gzip"))
        self.end_headers()
        stop = (start + len(data)) // 2 if name in server.cut else len(data)
        self.wfile.write(data[start:stop])

    def log_message(self, *args) -> None:
        pass
