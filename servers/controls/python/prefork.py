"""Worker processes, one for each core, that share only the address.

--each chooses how a worker serves its connections. With "threads" it has a thread for each of them,
with "asyncio" an event loop, like threads.py and asyncio_server.py. With "turns", the default, it
waits for all of them at once but does one thing at a time: a request that waits or blocks keeps
the worker and all of its connections until it is answered, as in a pool of synchronous workers.
Such a pool usually closes a connection after each answer, because a client that keeps it would
have the worker to itself. Here the connections of a worker take turns instead: the worker reads
once from each that has sent something. So clients may keep their connections and are still served
fairly.

The kernel distributes connections over the workers by a hash (SO_REUSEPORT). A worker that ends is
replaced. The parent keeps its listener, so the new worker finds the connections that have arrived
meanwhile in the queue.

    python3 prefork.py --addr 127.0.0.1:8080 --protocol http --workers 2 --each asyncio
"""

import importlib
import os
import selectors
import signal
import socket
import struct
import sys
import time
import traceback

import wire


def take_turns(listener, protocol):
    """Serves the connections of a listener until SIGTERM, one request at a time."""
    selector = selectors.DefaultSelector()
    signals = wire.wakeup()
    listener.setblocking(False)
    selector.register(listener, selectors.EVENT_READ)
    selector.register(signals, selectors.EVENT_READ)

    def admit():
        for conn in wire.accept(listener):
            # For a client that does not read: no other client is served meanwhile.
            conn.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", 30, 0))
            selector.register(conn, selectors.EVENT_READ, wire.Parser())

    def turn(conn, parser):
        """Answers the requests that have arrived on one connection."""
        try:
            data = conn.recv(wire.READ_BYTES)
            if protocol == "echo":
                conn.sendall(data)
                keep = bool(data)
            else:
                answers, keep = parser.answer(data) if data else (b"", False)
                conn.sendall(answers)
        except OSError:
            keep = False
        if not keep:
            selector.unregister(conn)
            wire.hang_up(conn, 0)

    grace = end = float("inf")
    while len(selector.get_map()) > 1 or not wire.draining:
        now = time.monotonic()
        ready = selector.select(min(max(grace - now, 0), 1) if wire.draining else None)
        if now >= end or now >= grace and not any(key.data for key, _ in ready):
            break
        for key, _ in ready:
            if key.fileobj is listener:
                admit()
            elif key.fileobj is signals:
                signals.recv(4096)
                if not wire.draining:
                    wire.draining = True
                    grace, end = time.monotonic() + wire.GRACE, time.monotonic() + wire.DRAIN
                    admit()
                    selector.unregister(listener)
                    listener.close()
            else:
                turn(key.fileobj, key.data)


# Imported only if needed: asyncio takes more memory than everything else here.
EACH = {"turns": None, "threads": "threads", "asyncio": "asyncio_server"}


def worker(listener, args, parent):
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    wire.die_with_parent(parent)
    module = EACH[args.each]
    run = importlib.import_module(module).run if module else take_turns
    run(listener, args.protocol)


def spawn(listeners, listener, args):
    parent = os.getpid()
    # A worker would miss a SIGTERM that arrives before it has its own handler.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            for other in listeners:
                if other is not listener:
                    other.close()
            worker(listener, args, parent)
            status = 0
        except Exception:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(status)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    return pid


def main():
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    args = wire.arguments(
        __doc__.splitlines()[0],
        ("--workers", {"type": wire.positive, "default": cores, "help": "default: one for each core"}),
        ("--each", {"choices": tuple(EACH), "default": "turns", "help": "how a worker serves its connections; default: turns"}),
    )
    listeners = [wire.listen(args.addr, reuse_port=True) for _ in range(args.workers)]
    signal.signal(signal.SIGTERM, lambda *_: None)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signals = wire.wakeup()
    workers = {spawn(listeners, listener, args): listener for listener in listeners}
    while signal.SIGTERM not in signals.recv(4096):
        while ended := os.waitpid(-1, os.WNOHANG)[0]:
            listener = workers.pop(ended)
            print(f"worker {ended} ended and is replaced", file=sys.stderr)
            time.sleep(0.1)  # workers that end at once must not keep a core busy
            workers[spawn(listeners, listener, args)] = listener
    for listener in listeners:
        listener.close()
    for pid in workers:
        os.kill(pid, signal.SIGTERM)
    end = time.monotonic() + wire.DRAIN + 0.5
    while workers and time.monotonic() < end:
        pid, _ = os.waitpid(-1, os.WNOHANG)
        workers.pop(pid, None)
        if pid == 0:
            time.sleep(0.005)
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


if __name__ == "__main__":
    main()
