"""A web server beside the guests that answers with the caller's address; run as a program in their namespace."""

from __future__ import annotations

import http.server
import sys


class _Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        """The caller's address as a line."""
        content = f"{self.client_address[0]}\n".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


if __name__ == "__main__":
    http.server.ThreadingHTTPServer((sys.argv[1], int(sys.argv[2])), _Answer).serve_forever()
