"""The function `web`: the files below public/, read once, for a version never changes."""

import hashlib
import mimetypes
import pathlib

import server

PUBLIC = pathlib.Path(__file__).parent / "public"


def read(path):
    """The content of a file as it is sent: its type, its bytes, and a tag of them."""
    body = path.read_bytes()
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    if kind == "text/html":
        body = body.replace(b"@VERSION@", str(server.VERSION).encode())
    tag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
    return kind, body, tag


FILES = {f"/{path.relative_to(PUBLIC)}": read(path) for path in PUBLIC.rglob("*") if path.is_file()}
FILES["/"] = FILES["/index.html"]


class Files(server.Handler):
    def do_GET(self):
        path = self.path.split("?")[0]
        if path == "/ready":
            self.answer(200, "text/plain", b"ready\n")
        elif path not in FILES:
            self.answer(404, "text/plain", b"There is no such file.\n")
        else:
            kind, body, tag = FILES[path]
            # Versions share the address: a browser asks each time whether what it has is still right.
            status = 304 if self.headers.get("If-None-Match") == tag else 200
            self.answer(status, kind, body, [("ETag", tag), ("Cache-Control", "no-cache")])


if __name__ == "__main__":
    server.run(Files)
