"""A destination that the test owns: an HTTP server whose answers are a script. It can be slow, hang, reset, refuse and fail at random.

Runs in a thread with its own asyncio loop; the test reads what arrived and waits on a condition, never on time.
"""
import asyncio
import json
import random
import threading
import time
from dataclasses import dataclass, field

from sluice import DEADLINE_S


@dataclass
class Arrival:
    """One request as it came in."""
    method: str
    path: str
    headers: dict
    body: bytes
    at: float = field(default_factory=time.monotonic)

    @property
    def json(self):
        return json.loads(self.body)


@dataclass
class Answer:
    """What to do with a request. delay: seconds before the answer; hang: never answer; reset: RST instead of an answer."""
    status: int = 200
    headers: dict = field(default_factory=dict)
    body: bytes = b"ok"
    hang: bool = False
    reset: bool = False
    delay: float = 0


def always(**answer):
    """Every request gets the same."""
    return lambda arrival, number: Answer(**answer)


def script(*answers, then=None):
    """The n-th request gets the n-th answer; later ones get `then` (200)."""
    return lambda arrival, number: answers[number] if number < len(answers) else (then or Answer())


def failing_at_random(share, seed, statuses=(500, 502, 503, 408, 429)):
    """A share of the requests fails with one of the statuses, or by a reset."""
    dice = random.Random(seed)

    def answer(arrival, number):
        if dice.random() >= share:
            return Answer()
        pick = dice.randrange(len(statuses) + 1)
        return Answer(reset=True) if pick == len(statuses) else Answer(status=statuses[pick])
    return answer


class Sink:
    """sink.url is where to deliver; sink.arrivals what came; sink.behave = … changes the script at any time. tls: an ssl.SSLContext."""

    def __init__(self, behave=None, tls=None):
        self.behave = behave or always()
        self.tls = tls
        self.arrivals = []
        self.accepted = []  # those that were answered 2xx
        self.connections = 0
        self._changed = threading.Condition()
        self._held = []
        self._loop = asyncio.new_event_loop()
        started = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(started,), daemon=True)
        self._thread.start()
        assert started.wait(DEADLINE_S)

    @property
    def url(self):
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}/hook"

    def _run(self, started):
        asyncio.set_event_loop(self._loop)
        self._server = self._loop.run_until_complete(asyncio.start_server(
            self._serve, "127.0.0.1", 0, backlog=1024, ssl=self.tls))
        self.port = self._server.sockets[0].getsockname()[1]
        started.set()
        self._loop.run_forever()

    async def _serve(self, reader, writer):
        self.connections += 1
        try:
            while await self._one(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.LimitOverrunError):
            pass
        finally:
            writer.close()

    async def _one(self, reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        request, *lines = head.decode("latin-1").split("\r\n")
        method, path, _ = request.split(" ", 2)
        headers = {}
        for line in lines:
            name, colon, value = line.partition(":")
            if colon:
                headers[name.strip().lower()] = value.strip()
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        arrival = Arrival(method, path, headers, body)
        with self._changed:
            answer = self.behave(arrival, len(self.arrivals))
            self.arrivals.append(arrival)
            self._changed.notify_all()
        if answer.hang:
            forever = self._loop.create_future()
            self._held.append(forever)
            await forever
            return False
        if answer.delay:
            await asyncio.sleep(answer.delay)
        if answer.reset:
            writer.transport.abort()
            return False
        if 200 <= answer.status < 300:
            with self._changed:
                self.accepted.append(arrival)
                self._changed.notify_all()
        extra = "".join(f"{name}: {value}\r\n" for name, value in answer.headers.items())
        writer.write(f"HTTP/1.1 {answer.status} X\r\nContent-Length: {len(answer.body)}\r\n{extra}\r\n".encode() + answer.body)
        await writer.drain()
        return True

    def release(self):
        """Ends every request that hangs (the connection is closed)."""
        def let_go():
            for future in self._held:
                if not future.done():
                    future.set_result(None)
            self._held.clear()
        self._loop.call_soon_threadsafe(let_go)

    def wait(self, condition, what):
        with self._changed:
            done = self._changed.wait_for(condition, DEADLINE_S)
        assert done, f"waited {DEADLINE_S} s for {what}: {len(self.arrivals)} arrived, {len(self.accepted)} accepted"

    def wait_arrivals(self, count):
        self.wait(lambda: len(self.arrivals) >= count, f"{count} arrivals")
        return self.arrivals

    def wait_accepted(self, count):
        self.wait(lambda: len(self.accepted) >= count, f"{count} accepted requests")
        return self.accepted

    def message_ids(self):
        """Message ids of accepted requests, in order of acceptance."""
        return [arrival.json["messageId"] for arrival in self.accepted]

    def close(self):
        self.release()

        def shut():
            self._server.close()
            for task in asyncio.all_tasks(self._loop):
                task.cancel()
            self._loop.call_soon(self._loop.stop)
        self._loop.call_soon_threadsafe(shut)
        self._thread.join(DEADLINE_S)
