"""Sends the answers of the servers that the tests start."""


def send(handler, status, content, *, cut=False, **headers):
    """Sends an answer; underscores in the names of headers stand for hyphens.

    Args:
        handler: The handler of the request.
        status: The HTTP status.
        content: The body.
        cut: Whether to close the connection after half of the body.
        headers: The headers besides the length of the body.
    """
    handler.send_response(status)
    handler.send_header("Content-Length", str(len(content)))
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(content[: len(content) // 2] if cut else content)
    if cut:
        handler.wfile.flush()
        handler.close_connection = True
