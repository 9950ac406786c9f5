"""An API server as a proxy sees it, run as a program: HTTPS, /readyz, and otherwise its own address as the answer."""

from __future__ import annotations

import ssl
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    asked = False

    def handle(self):
        """A connection that asks nothing is written down."""
        try:
            super().handle()
        finally:
            if not self.asked:
                self.server.unready.with_suffix(".silent").touch()

    def do_GET(self):
        self.asked = True
        unready = self.path == "/readyz" and self.server.unready.exists()
        body = self.server.server_address[0].encode()
        self.send_response(500 if unready else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 100

    def handle_error(self, *_):
        """A connection that breaks is what the tests do."""


def main(address, port, pem, unready):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    server = Server((address, int(port)), Handler)
    server.unready = Path(unready)
    # the handshake belongs to the connection's thread, or one silent client would hold up all
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    print("ready", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
