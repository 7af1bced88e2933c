"""A thread for each connection.

Each connection has a kernel thread, which is blocked in recv(2). The kernel schedules the threads.
The interpreter lock lets one thread at a time run Python. A thread gives the lock up while it
waits, or after --switch-interval (5 ms by default) if another thread asks for it.

    python3 threads.py --addr 127.0.0.1:8080 --protocol http
"""

import os
import sys
import threading
import time

import wire

open_connections = set()


def serve(conn, protocol):
    try:
        wire.serve(conn, protocol)
    finally:
        open_connections.discard(conn)


def run(listener, protocol):
    """Serves the connections of a listener until SIGTERM, and ends this process."""
    for conn in wire.connections(listener):
        if conn is None:
            continue
        open_connections.add(conn)
        try:
            threading.Thread(target=serve, args=(conn, protocol), daemon=True).start()
        except RuntimeError as err:  # the limit on threads
            print(f"start a thread: {err}", file=sys.stderr)
            open_connections.discard(conn)
            conn.close()
    drain()


def drain():
    """Lets the threads finish the requests in flight."""
    start = time.monotonic()
    cut = False
    while open_connections and time.monotonic() < start + wire.DRAIN:
        if not cut and time.monotonic() >= start + wire.GRACE:
            cut = True
            for conn in list(open_connections):
                wire.end_reading(conn)
        time.sleep(0.005)
    sys.stderr.flush()
    os._exit(0)  # cuts off the threads that are not done


def main():
    args = wire.arguments(__doc__.splitlines()[0])
    run(wire.listen(args.addr), args.protocol)


if __name__ == "__main__":
    main()
