"""Bad networks for real processes: a TCP proxy that throttles, delays and cuts, each direction by
itself, while it runs. Many kernels have no netem, and no test may need to be root.

A Proxy listens on a port of its own and carries every connection to one target. Its two Directions
are shared by all of its connections, as a cable would be. One thread (an asyncio loop) serves all
proxies of a process; attributes may be set from any thread and act within LOOK_SECONDS."""
import asyncio
import collections
import contextlib
import socket
import threading
import time

CHUNK_BYTES = 64 << 10
BUFFER_BYTES = 256 << 10  # of each socket: what hides in a kernel is neither slow nor late
LOOK_SECONDS = 0.02
HELD_BYTES = 8 << 20  # late, of one connection and direction; beyond, the sender waits


class Direction:
    """From one side to the other. `rate`: bytes per second, None: any. `delay`: seconds. `cut`:
    nothing passes and nobody is told; what was sent arrives when it is mended."""

    def __init__(self):
        self.rate, self.delay, self.cut = None, 0.0, False
        self.passed = 0  # bytes
        self._free_at = 0.0

    async def turn(self, size):
        """Waits until so many bytes may pass. Connections share the rate."""
        while self.cut:
            await asyncio.sleep(LOOK_SECONDS)
        if self.rate is not None:
            self._free_at = max(self._free_at, time.monotonic()) + size / self.rate
            while self.rate is not None and (left := self._free_at - time.monotonic()) > 0:
                await asyncio.sleep(min(left, LOOK_SECONDS))
            if self.rate is None:
                self._free_at = 0.0
        while self.cut:
            await asyncio.sleep(LOOK_SECONDS)
        self.passed += size

    def chunk(self):
        """Small ones where the rate is small, so that many connections get their turns."""
        return CHUNK_BYTES if self.rate is None else max(1024, min(CHUNK_BYTES, self.rate // 50))


class Proxy:
    """`there`: from who connects to the target; `back`: the other way."""

    def __init__(self, target_port):
        self.there, self.back = Direction(), Direction()
        self._target, self._writers = target_port, set()
        self.port = _call(self._listen())

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    @property
    def directions(self):
        return self.there, self.back

    def throttle(self, bytes_per_second):
        for direction in self.directions:
            direction.rate = bytes_per_second

    def cut(self, there=True, back=True):
        self.there.cut, self.back.cut = there, back

    def mend(self):
        for direction in self.directions:
            direction.rate, direction.delay, direction.cut = None, 0.0, False

    def reset(self):
        """Ends every connection of the moment, as a router that forgets does."""
        _call(self._abort())

    def close(self):
        self._server.close()
        self.reset()

    async def _listen(self):
        self._server = await asyncio.start_server(self._serve, sock=_listener(), limit=CHUNK_BYTES)
        return self._server.sockets[0].getsockname()[1]

    async def _abort(self):
        for writer in list(self._writers):
            writer.transport.abort()

    async def _serve(self, reader, writer):
        while self.there.cut or self.back.cut:  # no handshake through a cut line
            await asyncio.sleep(LOOK_SECONDS)
        try:
            far_reader, far_writer = await asyncio.open_connection(
                sock=await _connected(self._target), limit=CHUNK_BYTES)
        except OSError:
            writer.transport.abort()
            return
        both = {writer, far_writer}
        self._writers |= both
        try:
            await asyncio.gather(_carry(reader, far_writer, self.there),
                                 _carry(far_reader, writer, self.back))
        finally:
            self._writers -= both
            for end in both:
                end.transport.abort()


async def _carry(reader, writer, direction):
    """Reads and hands on, with the delay between: reading goes on while what is late waits."""
    late, held, news = collections.deque(), [0], asyncio.Event()

    async def hand_on():
        while True:
            while not late:
                news.clear()
                await news.wait()
            due, data = late.popleft()
            while (left := due - time.monotonic()) > 0:
                await asyncio.sleep(min(left, LOOK_SECONDS))
            if data is None:
                writer.write_eof()
                return
            await direction.turn(len(data))
            held[0] -= len(data)
            writer.write(data)
            await writer.drain()

    passing = asyncio.ensure_future(hand_on())
    with contextlib.suppress(OSError):
        while not passing.done():
            data = await reader.read(direction.chunk())
            late.append((time.monotonic() + direction.delay, data or None))
            held[0] += len(data)
            news.set()
            if not data:
                break
            while held[0] > (HELD_BYTES if direction.delay else CHUNK_BYTES) and not passing.done():
                await asyncio.sleep(LOOK_SECONDS / 4)
        await passing
    passing.cancel()


def _listener():
    listener = socket.socket()
    _small_buffers(listener)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", 0))
    listener.listen(64)
    listener.setblocking(False)
    return listener


async def _connected(port):
    to = socket.socket()
    _small_buffers(to)
    to.setblocking(False)
    try:
        await asyncio.get_running_loop().sock_connect(to, ("127.0.0.1", port))
    except OSError:
        to.close()
        raise
    to.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return to


def _small_buffers(end):
    end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
    end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER_BYTES)


_loop = None
_lock = threading.Lock()


def _call(coroutine):
    """Runs it in the loop of all proxies, which is started for the first."""
    global _loop
    with _lock:
        if _loop is None:
            _loop = asyncio.new_event_loop()
            threading.Thread(target=_loop.run_forever, daemon=True).start()
    return asyncio.run_coroutine_threadsafe(coroutine, _loop).result(10)
