"""A server that nobody is to call."""

from socketserver import BaseRequestHandler, ThreadingTCPServer


class Elsewhere(ThreadingTCPServer):
    """A server that nobody is to call; ``heard`` is what it was sent."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Listening)
        self.heard: list[bytes] = []


class _Listening(BaseRequestHandler):
    def handle(self) -> None:
        assert isinstance(self.server, Elsewhere)
        self.server.heard.append(self.request.recv(65536))
