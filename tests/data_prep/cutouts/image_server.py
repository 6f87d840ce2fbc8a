"""A local image service that answers as planned, and records its requests."""

import gzip
import io
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import numpy as np
from astropy.io import fits
from PIL import Image, ImageDraw

from tests.data_prep.answering import send

SIZE = 64
PAGE = b"<html><head><title>Down for &amp; maintenance\x1b[31m</title></head><body>Sorry</body></html>"


def encode(image, kind="JPEG", **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def galaxy_jpeg(size=SIZE, seed=0):
    noise = np.random.default_rng(seed).normal(0, 6, (size, size, 3))
    y, x = np.mgrid[:size, :size] - size / 2
    light = 200 * np.exp(-np.hypot(x, y) / (size / 8))
    return encode(Image.fromarray(np.clip(12 + light[..., None] + noise, 0, 255).astype(np.uint8)))


def blank_jpeg(text="", size=SIZE, colour=(0, 0, 0)):
    image = Image.new("RGB", (size, size), colour)
    if text:
        ImageDraw.Draw(image).text((2, size // 2), text, fill="white")
    return encode(image)


def fits_file(values, **cards):
    hdu = fits.PrimaryHDU(values)
    hdu.header.update(cards)
    file = io.BytesIO()
    hdu.writeto(file)
    return file.getvalue()


def galaxy_cube(bands="grz", size=SIZE, seed=0):
    values = np.random.default_rng(seed).normal(0, 1, (len(bands), size, size)).astype(np.float32)
    return fits_file(values, BANDS=bands)


BODIES = {
    "ok": galaxy_jpeg(),
    "truncated": galaxy_jpeg()[:-400],
    "empty": b"",
    "page": PAGE,
    "text": b"the database is busy",
    "no layer": b"no such layer",
    "blank": blank_jpeg(),
    "blank with text": blank_jpeg("outside", 128),
    "large": galaxy_jpeg(2 * SIZE),
    "png": encode(Image.new("RGB", (SIZE, SIZE)), "PNG"),
    "cube": galaxy_cube(),
    "other bands": galaxy_cube("gri"),
    "short cube": galaxy_cube()[:9000],
    "header": fits_file(None, OVERLAP=False),
    "nan cube": fits_file(np.full((3, SIZE, SIZE), np.nan, np.float32), BANDS="grz"),
    "wrong type": galaxy_jpeg(),
    "slow": galaxy_jpeg(),
    "cut": galaxy_jpeg(),
}


class ImageServer:
    """Answers each request in the mood that ``mood(key, attempt)`` returns.

    The key is the query's id, else its right ascension. A mood is one of ``BODIES``; a status; a pair of a
    status and a ``Retry-After``; a pair of ``to`` and the ``Location`` of a redirect; or ``hang``,
    ``redirect``, ``drip``, ``drip 403``, ``gzip``, ``damaged gzip`` or ``identity``.
    """

    def __init__(self, mood=lambda key, attempt: "ok"):
        self.mood = mood
        self.requests = []
        self.served = Counter()
        self.most_at_once = self._at_once = 0
        self._attempts = Counter()
        self._lock = threading.Lock()
        self._ended = threading.Event()
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self):
                service._count(1)
                try:
                    service._answer(self)
                finally:
                    service._count(-1)

            def log_message(self, *args):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.handle_error = lambda request, address: None
        threading.Thread(target=self._server.serve_forever, args=[0.02], daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self.template = f"{self.url}/image?id={{id}}&ra={{ra}}&dec={{dec}}&scale={{scale}}&size={{size}}"

    def close(self):
        self._ended.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def times(self):
        return [moment for moment, _, _ in self.requests]

    @property
    def queries(self):
        return [query for _, _, query in self.requests]

    def _count(self, change):
        with self._lock:
            self._at_once += change
            self.most_at_once = max(self.most_at_once, self._at_once)

    def _answer(self, handler):
        parts = urlsplit(handler.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        key = query.get("id", query.get("ra"))
        with self._lock:
            self.requests.append((time.monotonic(), parts.path, query))
            self._attempts[key] += 1
            attempt = self._attempts[key]
        mood = self.mood(key, attempt)
        if mood == "hang":
            self._ended.wait(5)
            handler.close_connection = True
        elif mood == "redirect":
            send(handler, 302, b"", Location=f"/moved?{parts.query}")
        elif mood in ("drip", "drip 403"):
            handler.send_response(200 if mood == "drip" else 403)
            handler.send_header("Content-Length", "100000")
            handler.end_headers()
            while not self._ended.wait(0.05):
                handler.wfile.write(b"x")
        elif mood in ("gzip", "damaged gzip"):
            content = gzip.compress(BODIES["ok"] * 3 if mood == "damaged gzip" else BODIES["ok"])
            content = content[:50] + b"xxxx" + content[54:] if mood == "damaged gzip" else content
            send(handler, 200, content, Content_Encoding="gzip")
        elif mood == "identity":
            send(handler, 200, BODIES["ok"], Content_Encoding="identity")
        elif isinstance(mood, tuple) and mood[0] == "to":
            send(handler, 302, b"", Location=mood[1])
        elif isinstance(mood, tuple):
            send(handler, mood[0], b"later", Retry_After=mood[1])
        elif isinstance(mood, int):
            send(handler, mood, PAGE)
        else:
            if mood == "slow":
                self._ended.wait(0.1)
            kind = "text/html" if mood == "wrong type" else "image/jpeg"
            send(handler, 200, BODIES[mood], cut=mood == "cut", Content_Type=kind)
            if mood in ("ok", "cube", "wrong type", "slow"):
                with self._lock:
                    self.served[key] += 1
