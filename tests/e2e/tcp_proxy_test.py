#!/usr/bin/env python3
"""tcp_proxy_test.py: the bad network of the other tests is as bad as they say, and no worse."""
import socket
import threading
import time

from pair_kit import check, finish, until
from tcp_proxy import Proxy


class Echo:
    """Sends back what it gets; `silent`: counts it and says nothing."""

    def __init__(self, silent=False):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port, self.silent, self.received = self.listener.getsockname()[1], silent, 0
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            connection, _ = self.listener.accept()
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        with connection:
            while data := connection.recv(1 << 16):
                self.received += len(data)
                if not self.silent:
                    connection.sendall(data)


def exchange(connection, size=100):
    """Seconds until it has come back; the timeout of the connection when it does not."""
    began, left = time.monotonic(), size
    connection.sendall(b"x" * size)
    try:
        while left > 0:
            data = connection.recv(left)
            if not data:
                raise ConnectionResetError
            left -= len(data)
    except TimeoutError:
        return connection.gettimeout()
    return time.monotonic() - began


def connected(proxy):
    connection = socket.create_connection(("127.0.0.1", proxy.port))
    connection.settimeout(5)
    return connection


def carries():
    proxy = Proxy(Echo().port)
    with connected(proxy) as one, connected(proxy) as two:
        check(exchange(one, 300_000) < 5 and exchange(two) < 5, "it carries connections both ways")
        check(proxy.there.passed == proxy.back.passed == 300_100, "and counts")
        proxy.back.delay = 0.4
        took = exchange(one)
        check(0.4 <= took < 5, "a delay of one direction", f"{took}")
        proxy.there.delay = 0.4
        took = exchange(one)
        check(0.8 <= took < 5, "… of both", f"{took}")
        proxy.mend()
        check(exchange(one) < 0.4, "… and none again")


def throttles():
    sink = Echo(silent=True)
    proxy = Proxy(sink.port)
    proxy.throttle(1_000_000)

    def pour(connection):
        try:
            connection.sendall(b"x" * 20_000_000)
        except OSError:
            pass

    with connected(proxy) as one, connected(proxy) as two:
        began = time.monotonic()
        for connection in (one, two):
            threading.Thread(target=pour, args=(connection,), daemon=True).start()
        until("a megabyte and a half", lambda: sink.received >= 1_500_000)
        took = time.monotonic() - began
        check(took > 1.3, "two connections share 1 MB/s", f"{took}")
        proxy.mend()
        until("the rest, without the rate", lambda: sink.received == 40_000_000)
        check(True, "the rate can be taken away")


def cuts():
    proxy = Proxy(Echo().port)
    with connected(proxy) as one:
        one.settimeout(0.3)
        proxy.cut(there=False)
        check(exchange(one) == 0.3, "nothing comes back through a cut direction")
        proxy.mend()
        one.settimeout(5)
        check(len(one.recv(100)) > 0, "it arrives when that is mended")
        proxy.cut()
        with connected(proxy) as two:
            two.settimeout(0.3)
            check(exchange(two) == 0.3, "a new connection gets nowhere")
            proxy.mend()
            two.settimeout(5)
            check(len(two.recv(100)) > 0, "… until it is mended")
        proxy.reset()
        try:
            exchange(one)
            check(False, "a reset ends connections")
        except OSError:
            check(True, "a reset ends connections")
    closed = socket.create_server(("127.0.0.1", 0))
    proxy = Proxy(closed.getsockname()[1])
    closed.close()
    with connected(proxy) as one:
        check(ends(one), "a target that is away ends the connection")


def ends(connection):
    try:
        return connection.recv(10) == b""
    except ConnectionResetError:
        return True


def main():
    for part in (carries, throttles, cuts):
        print(f"-- {part.__name__}")
        part()
    finish()


if __name__ == "__main__":
    main()
