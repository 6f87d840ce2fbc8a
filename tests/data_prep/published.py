"""A local server that publishes files as Zenodo and Galaxy Zoo do, and misbehaves on request."""

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.data_prep.answering import send


class Publisher:
    """Serves ``files`` by name. Each request uses the next of the name's ``moods``, and then the last one.

    Moods: ``ok``; ``cut``, half of the requested bytes; ``whole``, without ranges; a number, that status;
    ``redirect``; ``wrong``, other bytes.
    """

    def __init__(self):
        self.files = {}
        self.moods = {}
        self.requests = []
        publisher = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                publisher.answer(self)

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda request, address: None  # Clients may close the connection.
        threading.Thread(target=self.server.serve_forever, args=[0.02], daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def asked(self, name):
        """Returns the requested ranges of a file."""
        return [asked for file, asked in self.requests if file == name]

    def answer(self, handler):
        path = handler.path.partition("?")[0].removesuffix("/content")
        name = path.rpartition("/")[2]
        asked = handler.headers.get("Range")
        self.requests.append((name, asked))
        if path == "/api/records/3565489":
            entries = [
                {
                    "key": key,
                    "checksum": f"md5:{hashlib.md5(content).hexdigest()}",
                    "links": {"self": f"https://zenodo.org/api/records/3565489/files/{key}/content"},
                }
                for key, content in self.files.items()
            ]
            send(handler, 200, json.dumps({"files": entries, "created": "now"}).encode())
            return
        moods = self.moods.setdefault(name, ["ok"])
        mood = moods.pop(0) if len(moods) > 1 else moods[0]
        content = self.files.get(name)
        if content is None:
            send(handler, 404, b"")
        elif isinstance(mood, int):
            send(handler, mood, b"not now")
        elif mood == "redirect":
            send(handler, 302, b"", Location=f"{self.url}/elsewhere/{name}")
        elif mood == "wrong":
            send(handler, 200, content[:-1] + b"?")
        else:
            tag = f'"{hashlib.md5(content).hexdigest()}"'
            start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and mood != "whole" else 0
            if handler.headers.get("If-Range", tag) != tag:
                start = 0
            if start >= len(content):
                send(handler, 416, b"")
                return
            rest, more = content[start:], {"ETag": tag}
            if start:
                more["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
            send(handler, 206 if start else 200, rest, cut=mood == "cut", **more)
