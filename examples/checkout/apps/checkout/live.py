"""The function `live`: a WebSocket (RFC 6455) that says its version each second, and echoes what it is told."""

import base64
import hashlib
import json
import struct
import threading

import server

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
LONGEST = 64 * 1024  # bytes of a message


class Closed(Exception):
    """The conversation is over; `code` tells the other side why."""

    def __init__(self, code):
        super().__init__(code)
        self.code = code


class Live(server.Handler):
    def do_GET(self):
        if self.path == "/ready":
            self.answer(200, "text/plain", b"ready\n")
        elif self.headers.get("Upgrade", "").lower() != "websocket":
            self.answer(426, "text/plain", b"This is a WebSocket.\n", [("Upgrade", "websocket")])
        elif self.headers.get("Sec-WebSocket-Version") != "13":
            self.answer(426, "text/plain", b"Version 13, please.\n", [("Sec-WebSocket-Version", "13")])
        elif not self.headers.get("Sec-WebSocket-Key"):
            self.answer(400, "text/plain", b"There is no Sec-WebSocket-Key.\n")
        else:
            self.talk()

    def talk(self):
        key = self.headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", base64.b64encode(hashlib.sha1(key.encode()).digest()).decode())
        self.end_headers()
        self.wfile.flush()
        self.close_connection = True
        self.writing, over = threading.Lock(), threading.Event()
        ticking = threading.Thread(target=self.tick, args=[over])
        ticking.start()
        code = 1001  # going away: the connection, or this program, ends
        try:
            while True:
                kind, message = self.receive()
                self.say({"echo": message.decode()} if kind == TEXT else {"bytes": len(message)})
        except UnicodeDecodeError:
            code = 1007
        except Closed as closed:
            code = closed.code
        except (EOFError, OSError):
            pass
        finally:
            over.set()
            ticking.join()
            try:
                self.send(CLOSE, struct.pack("!H", code))
            except OSError:
                pass  # nobody is there to hear it

    def tick(self, over):
        """Says the version until it is over. The answer to each ping keeps the connection from its time-out."""
        seconds = 0
        try:
            while True:
                self.say({"seconds": seconds})
                if seconds % 20 == 0:
                    self.send(PING, b"")
                if over.wait(1):
                    return
                seconds += 1
        except OSError:
            pass  # who reads will see it too

    def say(self, what):
        self.send(TEXT, json.dumps({"version": server.VERSION, **what}, ensure_ascii=False).encode())

    def send(self, kind, payload):
        size = len(payload)
        if size < 126:
            head = struct.pack("!BB", 0x80 | kind, size)
        elif size < 65536:
            head = struct.pack("!BBH", 0x80 | kind, 126, size)
        else:
            head = struct.pack("!BBQ", 0x80 | kind, 127, size)
        with self.writing:
            self.wfile.write(head + payload)
            self.wfile.flush()

    def receive(self):
        """The next message, its fragments put together. Pings are answered on the way."""
        kind, message = 0, b""
        while True:
            last, opcode, payload = self.frame(LONGEST - len(message))
            if opcode == PING:
                self.send(PONG, payload)
            elif opcode == CLOSE:
                raise Closed(struct.unpack("!H", payload[:2])[0] if len(payload) > 1 else 1000)
            elif opcode != PONG:
                if (opcode == 0) != (kind != 0) or opcode not in (0, TEXT, BINARY):
                    raise Closed(1002)  # a fragment of nothing, or something between fragments
                kind, message = kind or opcode, message + payload
                if last:
                    return kind, message

    def frame(self, longest):
        """One frame: whether it is the last of its message, its opcode, and its payload."""
        first, second = self.exactly(2)
        opcode, size = first & 0x0F, second & 0x7F
        if first & 0x70 or not second & 0x80 or (opcode >= CLOSE and (size > 125 or first < 0x80)):
            raise Closed(1002)  # clients mask, nobody agreed on extensions, and control frames are short
        if size == 126:
            (size,) = struct.unpack("!H", self.exactly(2))
        elif size == 127:
            (size,) = struct.unpack("!Q", self.exactly(8))
        if size > longest:
            raise Closed(1009)
        mask = self.exactly(4) * (size // 4 + 1)
        payload = self.exactly(size)
        # All bytes at once: one by one is slow in Python.
        plain = int.from_bytes(payload, "big") ^ int.from_bytes(mask[:size], "big")
        return first & 0x80, opcode, plain.to_bytes(size, "big")

    def exactly(self, count):
        data = self.rfile.read(count)
        if len(data) < count:
            raise EOFError
        return data


if __name__ == "__main__":
    server.run(Live)
