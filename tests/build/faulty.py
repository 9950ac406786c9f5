"""A real HTTP server on loopback that serves what it is told, with the faults it is told; counts requests."""

from __future__ import annotations

import http.server
import ssl
import threading
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Page:
    """What a path answers. Faults: `cut` bodies end after so many bytes, `times` answers long; `then` comes after them.

    `share` is how many bytes a range gives at most, as the answer honestly says.
    """

    body: bytes = b""
    status: int = 200
    cut: int | None = None
    times: int = 10**9
    ranges: bool = True
    location: str | None = None
    declared: int | None = None
    headers: dict = field(default_factory=dict)
    first: list = field(default_factory=list)
    share: int | None = None
    then: bytes | None = None


class Server:
    """`pages` by path; `requests` counts (path, Range header)."""

    def __init__(self):
        self.pages = {}
        self.requests = Counter()
        self.url = ""

    def total(self, path):
        return sum(count for (asked, _), count in self.requests.items() if asked == path)


def _handler(server):
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            pass

        def do_GET(self):
            asked = self.headers.get("Range", "")
            server.requests[self.path, asked] += 1
            page = server.pages.get(self.path)
            if page is None:
                return self._plain(404)
            if page.first:
                return self._plain(page.first.pop(0), page.headers)
            if page.location is not None:
                return self._plain(302, {"Location": page.location})
            if page.status != 200:
                return self._plain(page.status)
            return self._body(page, asked)

        def _plain(self, status, headers=None):
            self.send_response(status)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def _body(self, page, asked):
            begin = int(asked.removeprefix("bytes=").rstrip("-")) if asked and page.ranges else 0
            if begin and begin >= len(page.body):
                return self._plain(416)
            self.send_response(206 if begin else 200)
            body = page.body[begin : begin + page.share if begin and page.share else None]
            if begin:
                self.send_header("Content-Range", f"bytes {begin}-{begin + len(body) - 1}/{len(page.body)}")
            for name, value in page.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(page.declared or len(body)))
            self.end_headers()
            if page.cut is not None and page.times > 0:
                page.times -= 1
                body = body[: page.cut]
                self.close_connection = True
                if page.times == 0 and page.then is not None:
                    page.body, page.headers = (
                        page.then,
                        {name: value[:-1] + '2"' for name, value in page.headers.items()},
                    )
            if page.declared:
                self.close_connection = True
            self.wfile.write(body)

    return Handler


@contextmanager
def serving(certificate=None):
    """A server; over TLS with `certificate`, a PEM file of a certificate and its key."""
    made = Server()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(made)) as running:
        running.daemon_threads = True
        made.url = f"http{'s' if certificate else ''}://127.0.0.1:{running.server_port}"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            running.socket = context.wrap_socket(running.socket, server_side=True)
            running.handle_error = lambda *_: None  # a client that turns away is what the tests want
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield made
        finally:
            running.shutdown()
