"""A process for each connection, by os.fork.

Each connection has a process, which is blocked in recv(2). The kernel schedules the processes.
Each has its own interpreter with its own lock, and its own copy of every variable: a counter counts
the requests of one connection.

    python3 fork.py --addr 127.0.0.1:8080 --protocol http
"""

import os
import signal
import sys
import time
import traceback

import wire

children = set()


def child(conn, protocol, parent):
    """Serves one connection and ends."""

    def begin_drain(*_):
        wire.draining = True
        signal.setitimer(signal.ITIMER_REAL, wire.GRACE)

    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, begin_drain)
    signal.signal(signal.SIGALRM, lambda *_: wire.end_reading(conn))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    wire.die_with_parent(parent)
    wire.serve(conn, protocol)


def spawn(conn, listener, protocol):
    parent = os.getpid()
    # A child would miss a SIGTERM that arrives before it has its own handler.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        pid = os.fork()
        if pid == 0:
            try:
                listener.close()
                child(conn, protocol, parent)
            except Exception:
                traceback.print_exc()
            finally:
                os._exit(0)
        children.add(pid)
    except OSError as err:  # the limit on processes, or no memory
        print(f"fork: {err}", file=sys.stderr)
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    conn.close()


def reap():
    """Waits for the children that have ended. This adds their CPU time to that of this process."""
    while children:
        pid, _ = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        children.discard(pid)


def main():
    args = wire.arguments(__doc__.splitlines()[0])
    listener = wire.listen(args.addr)
    signal.signal(signal.SIGCHLD, lambda *_: None)  # wakes the loop below
    for conn in wire.connections(listener):
        if conn is not None:
            spawn(conn, listener, args.protocol)
        reap()
    for pid in children:
        os.kill(pid, signal.SIGTERM)
    end = time.monotonic() + wire.DRAIN
    while children and time.monotonic() < end:
        time.sleep(0.005)
        reap()
    for pid in children:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


if __name__ == "__main__":
    main()
