"""What the three programs share: an HTTP server that ends soon and cuts no answer.

Usage: python3 PROGRAM [ADDRESS]. It listens on 127.0.0.1 where no address is given, at the port of the variable PORT.
"""

import http.server
import os
import signal
import socket
import socketserver
import sys
import threading

VERSION = int(os.environ["CUTWATER_VERSION"])


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers the requests of one connection, one after the other."""

    protocol_version = "HTTP/1.1"  # connections are kept
    timeout = 75  # seconds until a silent one is closed
    wbufsize = -1  # head and body leave together
    disable_nagle_algorithm = True

    def do_HEAD(self):
        self.do_GET()  # answer() leaves the body out

    def answer(self, status, kind, body, headers=()):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers:
            self.send_header(name, value)
        if self.headers.get("Content-Length", "0") != "0" or "Transfer-Encoding" in self.headers:
            # Nobody read the body of the request: it would be taken for the next one.
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD" and status != 304:
            self.wfile.write(body)

    def log_message(self, *_):
        """Requests are counted by the gateway."""


class Server(socketserver.ThreadingTCPServer):
    """A thread for each connection; all of them are waited for at the end."""

    allow_reuse_address = True
    request_queue_size = 1024

    def __init__(self, address, handler):
        self.connections = set()
        super().__init__(address, handler)

    def process_request(self, connection, address):
        self.connections.add(connection)
        super().process_request(connection, address)

    def shutdown_request(self, connection):
        self.connections.discard(connection)
        super().shutdown_request(connection)

    def handle_error(self, _connection, _address):
        error = sys.exc_info()[1]
        if not isinstance(error, ConnectionError):  # a client that leaves is no fault
            print(f"error: {error!r}", file=sys.stderr, flush=True)

    def end(self):
        """Takes no new connection, and lets each that is there write its answer and no other."""
        self.shutdown()
        for connection in list(self.connections):
            try:
                connection.shutdown(socket.SHUT_RD)
            except OSError:
                pass  # it has ended by itself


def run(handler):
    """Serves until SIGTERM."""
    address = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1"
    server = Server((address, int(os.environ["PORT"])), handler)
    # A handler of signals runs in the thread that serves, which cannot wait for itself.
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.end).start())
    server.serve_forever(poll_interval=0.1)
    server.server_close()
