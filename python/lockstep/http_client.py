"""JSON over HTTP to one server, by the standard library: a connection for each thread, kept open."""
import http.client
import json
import threading
import urllib.parse
from typing import Any, Iterator

from lockstep.errors import RequestError, ServerError

_LONGEST_PAUSE = 5.0  # seconds before a request that was refused for lack of room is sent again


class HttpClient:
    """May be used by several threads."""

    def __init__(self, url: str, key: str):
        place = urllib.parse.urlsplit(url)
        self._host, self._port = place.hostname, place.port
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        self._local = threading.local()
        self._lock = threading.Lock()
        self._open: set[http.client.HTTPConnection] = set()
        self._closed = threading.Event()

    def ask(self, path: str, body: Any = None) -> Any:
        """The answer, as JSON. Raises RequestError and ServerError."""
        while True:
            reply = self._send(path, body)
            data = self._read(reply)
            if reply.status == 200:
                return json.loads(data)
            pause = reply.getheader("Retry-After")
            if reply.status != 503 or pause is None:
                raise _error_of(reply.status, data)
            self._closed.wait(min(float(pause), _LONGEST_PAUSE))

    def stream(self, path: str, body: Any) -> Iterator[Any]:
        """The data of a stream's events, on a connection of its own: closing the iterator cancels the request."""
        connection = self._connect()
        try:
            reply = self._send_on(connection, path, body)
            if reply.status != 200:
                raise _error_of(reply.status, self._read(reply))
            yield from _events(reply)
        except (OSError, http.client.HTTPException) as error:
            raise ServerError(f"the server has ended, or broke off: {error}") from error
        finally:
            self._drop(connection)

    def close(self) -> None:
        """Breaks off what is under way, in all threads; their requests are cancelled."""
        with self._lock:
            self._closed.set()
            connections, self._open = self._open, set()
        for connection in connections:
            sock = connection.sock
            if sock is not None:
                try:
                    sock.shutdown(2)
                except OSError:
                    pass  # it is closed already
            connection.close()

    def _connect(self) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection(self._host, self._port)
        connection.auto_open = 0  # else a request would open again what close() has closed
        with self._lock:
            if self._closed.is_set():
                raise ServerError("the request was broken off")
            try:
                connection.connect()
            except OSError as error:
                raise ServerError(f"the server does not answer: {error}") from error
            self._open.add(connection)
        return connection

    def _drop(self, connection: http.client.HTTPConnection) -> None:
        with self._lock:
            self._open.discard(connection)
        connection.close()

    def _send(self, path: str, body: Any) -> http.client.HTTPResponse:
        """On this thread's connection; on a new one where the server has closed it meanwhile."""
        kept = getattr(self._local, "connection", None)
        if kept is not None and not self._closed.is_set():
            try:
                return self._send_on(kept, path, body)
            except (OSError, http.client.HTTPException):
                self._drop(kept)
                self._local.connection = None
        connection = self._local.connection = self._connect()
        try:
            return self._send_on(connection, path, body)
        except (OSError, http.client.HTTPException) as error:
            self._drop(connection)
            self._local.connection = None
            raise ServerError(f"the server does not answer: {error}") from error

    def _send_on(self, connection: http.client.HTTPConnection, path: str, body: Any) -> http.client.HTTPResponse:
        data = None if body is None else json.dumps(body, allow_nan=False).encode()
        connection.request("GET" if body is None else "POST", path, data, self._headers)
        return connection.getresponse()

    def _read(self, reply: http.client.HTTPResponse) -> bytes:
        try:
            return reply.read()
        except (OSError, http.client.HTTPException) as error:
            raise ServerError(f"the server has ended, or broke off: {error}") from error


def _error_of(status: int, data: bytes) -> Exception:
    try:
        message = json.loads(data)["error"]["message"]
    except (ValueError, KeyError, TypeError):
        message = data.decode(errors="replace")
    if 400 <= status < 500:
        return RequestError(message, status)
    return ServerError(f"{message} (status {status})")


def _events(reply: http.client.HTTPResponse) -> Iterator[Any]:
    for line in reply:
        if not line.startswith(b"data: "):
            continue
        data = line[len(b"data: "):].strip()
        if data == b"[DONE]":
            return
        event = json.loads(data)
        if "error" in event:
            raise ServerError(event["error"]["message"])
        yield event
    raise ServerError("the server broke off a stream")
