"""What the four servers in this folder share: command line, HTTP, routes.

They follow the contract in the README. They differ only in how they wait for
connections: reading and answering is the same code. Idle connections have no
time limit.
"""

import argparse
import ctypes
import os
import re
import resource
import selectors
import signal
import socket
import sys
import threading
import time
from typing import NamedTuple

READ_BYTES = 64 << 10
MAX_HEADER = 16 << 10  # bytes; more is answered 431
MAX_BODY = 4 << 20  # bytes; more is answered 413
MAX_PAUSE = 60  # seconds, of /wait, /block and /cpu

GRACE = 0.3  # seconds for a request that is on its way when SIGTERM comes
LINGER = 1.0  # seconds that a connection is read after its last answer
DRAIN = 4.0  # seconds from SIGTERM to the end, even if requests are unfinished

draining = False  # a server sets it after SIGTERM


# ---- command line ----


def arguments(doc, *flags):
    """Reads the command line. flags are the flags of one server: (name, options)."""
    parser = argparse.ArgumentParser(description=doc, allow_abbrev=False)
    parser.add_argument("--addr", type=_addr, required=True, metavar="HOST:PORT", help="address to listen on")
    parser.add_argument("--protocol", choices=("http", "echo"), default="http")
    parser.add_argument(
        "--switch-interval",
        type=_duration,
        metavar="TIME",
        help="how long a thread may keep the interpreter lock while another waits for it, like 5ms or 500us",
    )
    parser.add_argument("--faults", action="store_true", help="serve /fault/panic, /fault/fatal and /fault/leak, which harm the server")
    for name, options in flags:
        parser.add_argument(name, **options)
    args = parser.parse_args()
    if args.faults:
        ROUTES.update(FAULTS)
    if args.switch_interval:
        sys.setswitchinterval(args.switch_interval)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if args.protocol == "http":
        calibrate()
    return args


def _addr(text):
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or not 1 <= int(port) <= 65535:
        raise argparse.ArgumentTypeError(f"{text}: must be host:port with a port of 1 to 65535")
    return host.strip("[]"), int(port)


def positive(text):
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text}: must be a whole number of at least 1")
    return int(text)


def _duration(text):
    m = re.fullmatch(r"(\d+(?:\.\d+)?)(us|ms|s)", text)
    seconds = float(m[1]) * {"us": 1e-6, "ms": 1e-3, "s": 1}[m[2]] if m else 0
    if not 1e-6 <= seconds <= 60:
        raise argparse.ArgumentTypeError(f"{text}: must be a time of 1us to 60s, like 5ms or 500us")
    return seconds


# ---- sockets ----


def listen(addr, reuse_port=False):
    family = socket.AF_INET6 if ":" in addr[0] else socket.AF_INET
    try:
        return socket.create_server(addr, family=family, backlog=4096, reuse_port=reuse_port)
    except OSError as err:
        sys.exit(f"listen on {addr[0]}:{addr[1]}: {err}")


def accept(listener):
    """Yields the connections in the queue of a non-blocking listener."""
    while True:
        try:
            conn, _ = listener.accept()
        except BlockingIOError:
            return
        except OSError as err:  # no descriptors, for instance: the connections stay in the queue
            print(f"accept: {err}", file=sys.stderr)
            time.sleep(0.01)
            return
        conn.setblocking(True)
        conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield conn


def wakeup():
    """Returns a socket on which the number of each caught signal arrives as a byte. A SIGTERM that
    was blocked until now arrives too."""
    read, write = socket.socketpair()
    write.setblocking(False)
    signal.set_wakeup_fd(write.detach(), warn_on_full_buffer=False)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    return read


def connections(listener):
    """Yields connections until SIGTERM, then those that are still in the queue. Then it closes the
    listener. Yields None after another signal."""
    global draining
    signal.signal(signal.SIGTERM, lambda *_: None)
    listener.setblocking(False)
    with wakeup() as signals, selectors.DefaultSelector() as selector:
        selector.register(listener, selectors.EVENT_READ)
        selector.register(signals, selectors.EVENT_READ)
        while not draining:
            for key, _ in selector.select():
                if key.fileobj is signals:
                    draining = signal.SIGTERM in signals.recv(4096)
                    yield None
            yield from accept(listener)
    listener.close()
    signal.set_wakeup_fd(-1)


def die_with_parent(parent):
    """Makes the kernel kill this process when its parent ends. Exits if that has already happened."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    if os.getppid() != parent:
        os._exit(1)


def serve(conn, protocol):
    """Serves a connection with blocking calls until it ends."""
    parser = Parser()
    try:
        while data := conn.recv(READ_BYTES):
            if protocol == "echo":
                conn.sendall(data)
                continue
            answers, keep = parser.answer(data)
            conn.sendall(answers)
            if not keep:
                break
    except OSError:
        pass  # the client has gone
    hang_up(conn, 0 if draining else LINGER)


def hang_up(conn, linger):
    """Closes a connection. First it reads what the client still sends, for some seconds: closing with
    unread bytes resets the connection, and the reset can overtake the answer."""
    try:
        conn.shutdown(socket.SHUT_WR)
        conn.settimeout(linger)
        end = time.monotonic() + linger
        while conn.recv(READ_BYTES) and time.monotonic() <= end:
            pass
    except OSError:
        pass
    conn.close()


def end_reading(conn):
    """Ends the connection after the bytes that have already arrived."""
    try:
        conn.shutdown(socket.SHUT_RD)
    except OSError:
        pass  # it is already closed


# ---- HTTP ----


class Request(NamedTuple):
    method: bytes
    path: bytes
    query: bytes
    close: bool  # the client asks for it
    body: bytes = b""


class Refused(Exception):
    """A request that is answered with an error: args[0] is the status."""


REASONS = {
    200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed", 413: "Request Entity Too Large",
    431: "Request Header Fields Too Large", 501: "Not Implemented", 505: "HTTP Version Not Supported",
}  # fmt: skip


class Parser:
    """Finds the requests in the bytes of one connection."""

    def __init__(self):
        self.buffer = bytearray()
        self.head = None  # of a request whose body has not arrived completely
        self.length = 0  # of that body

    def requests(self, data):
        self.buffer += data
        while True:
            if self.head is None:
                while self.buffer.startswith(b"\r\n"):  # some clients send it after a body
                    del self.buffer[:2]
                end = self.buffer.find(b"\r\n\r\n")
                if end > MAX_HEADER or end < 0 and len(self.buffer) > MAX_HEADER:
                    raise Refused(431)
                if self.buffer and not self.buffer[:1].isalpha() and self.buffer != b"\r":
                    raise Refused(400)  # not HTTP: the end of the header may never arrive
                if end < 0:
                    return
                self.head, self.length = parse_head(bytes(self.buffer[:end]))
                del self.buffer[: end + 4]
            if len(self.buffer) < self.length:
                return
            body = bytes(self.buffer[: self.length])
            del self.buffer[: self.length]
            request, self.head = self.head._replace(body=body), None
            yield request

    def answer(self, data):
        """Returns the answers to the requests that data completes, and whether to keep the connection."""
        answers = []
        try:
            for request in self.requests(data):
                answers.append(respond(request))
                if request.close:
                    return b"".join(answers), False
        except Refused as refused:
            answers.append(refuse(refused.args[0]))
            return b"".join(answers), False
        return b"".join(answers), not (draining and answers)


def parse_head(block):
    """Returns the request and the length of its body."""
    lines = block.split(b"\r\n")
    words = lines[0].split(b" ")
    if len(words) != 3 or block.count(b"\n") != len(lines) - 1:
        raise Refused(400)
    method, target, version = words
    if version not in (b"HTTP/1.1", b"HTTP/1.0"):
        raise Refused(505 if version.startswith(b"HTTP/") else 400)
    fields = {}
    for line in lines[1:]:
        name, colon, value = line.partition(b":")
        name = name.lower()
        if not colon or not name or name.strip() != name or name in (b"host", b"content-length") and name in fields:
            raise Refused(400)
        fields[name] = value.strip()
    if version == b"HTTP/1.1" and b"host" not in fields:
        raise Refused(400)
    if b"transfer-encoding" in fields:
        raise Refused(501)
    length = fields.get(b"content-length", b"0")
    if not length.isdigit():
        raise Refused(400)
    if len(length) > 9 or int(length) > MAX_BODY:
        raise Refused(413)
    wish = fields.get(b"connection", b"").lower()
    close = b"close" in wish or version == b"HTTP/1.0"
    path, _, query = target.partition(b"?")
    return Request(method, path, query, close), int(length)


def respond(request):
    """Serves a request. Returns the whole answer."""
    methods = ROUTES.get(request.path)
    handler = methods and methods.get(request.method)
    try:
        if not handler:
            raise Refused(405 if methods else 404)
        return response(200, handler(request), request.close or draining)
    except Refused as refused:
        return refuse(refused.args[0], request.close or draining)


def refuse(status, close=True):
    return response(status, REASONS[status].encode(), close)


def response(status, body, close=False):
    closing = "Connection: close\r\n" if close else ""
    head = (
        f"HTTP/1.1 {status} {REASONS[status]}\r\nServer: cpython\r\n"
        f"Content-Type: text/plain\r\nContent-Length: {len(body)}\r\n{closing}\r\n"
    )
    return head.encode() + body


# ---- routes ----


def number(request, name):
    m = re.fullmatch(name + rb"=(\d{1,9})", request.query)
    if not m:
        raise Refused(400)
    return int(m[1])


def seconds(request, name, unit):
    """Returns the parameter of a request for a time."""
    s = number(request, name) * unit
    if s > MAX_PAUSE:
        raise Refused(400)
    return s


def healthz(request):
    return b"ok"


def plaintext(request):
    return b"Hello, World!"


def echo(request):
    return request.body


def wait(request):
    time.sleep(seconds(request, b"ms", 1e-3))
    return b"done"


def block(request):
    time.sleep(seconds(request, b"ms", 1e-3))
    return b"done"


def cpu(request):
    work(int(seconds(request, b"us", 1e-6) * turns_per_second))
    return b"done"


counter = 0
counter_lock = threading.Lock()


def count(request):
    global counter
    with counter_lock:
        counter += 1
    return b"ok"


def counted(request):
    return b"%d %d\n" % (counter, os.getpid())


ROUTES = {
    b"/healthz": {b"GET": healthz},
    b"/plaintext": {b"GET": plaintext},
    b"/echo": {b"POST": echo},
    b"/wait": {b"GET": wait},
    b"/block": {b"GET": block},
    b"/cpu": {b"GET": cpu},
    b"/counter": {b"POST": count, b"GET": counted},
}


# ---- faults, with --faults only ----


def panic(request):
    raise RuntimeError("a request asked for it: nothing catches it")


def fatal(request):
    os.abort()


leaked = []


def leak(request):
    for _ in range(number(request, b"mb")):
        leaked.append(bytearray(os.urandom(1 << 10) * 1024))
    return b"done"


FAULTS = {b"/fault/panic": {b"GET": panic}, b"/fault/fatal": {b"GET": fatal}, b"/fault/leak": {b"GET": leak}}


# ---- work ----

turns_per_second = 1e7


def work(turns):
    """Computes in the interpreter, with its lock held."""
    x = 1
    for _ in range(turns):
        x = x * 1103515245 + 12345 & 0x7FFFFFFF
    return x


def calibrate():
    """Measures work by the CPU time of this thread, so that other programs do not matter. The
    fastest of several rounds counts, because it was disturbed least."""
    global turns_per_second
    turns = 20000
    best = float("inf")
    for _ in range(10):
        start = time.thread_time()
        work(turns)
        best = min(best, time.thread_time() - start)
    turns_per_second = turns / best
