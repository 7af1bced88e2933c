"""A task for each connection on one event loop, by asyncio.

Each connection has a coroutine, which is suspended while it waits. All run in one thread, each until
it awaits. /wait awaits asyncio's sleep and delays no other connection. /block calls the blocking
sleep of the standard library, which stops the loop, unless --offload runs it on a pool of threads.

    python3 asyncio_server.py --addr 127.0.0.1:8080 --protocol http
"""

import asyncio
import concurrent.futures
import os
import signal
import sys
import time

import wire

OFFLOAD_THREADS = 64

connections = {}  # the writer of each task
pool = None  # for --offload


async def respond(request):
    route = request.method, request.path
    if route == (b"GET", b"/wait"):
        try:
            await asyncio.sleep(wire.seconds(request, b"ms", 1e-3))
        except wire.Refused as refused:
            return wire.refuse(refused.args[0], request.close or wire.draining)
        return wire.response(200, b"done", request.close or wire.draining)
    if pool and route == (b"GET", b"/block"):
        return await asyncio.get_running_loop().run_in_executor(pool, wire.respond, request)
    return wire.respond(request)


async def serve_http(reader, writer):
    parser = wire.Parser()
    while data := await reader.read(wire.READ_BYTES):
        answered = False
        try:
            for request in parser.requests(data):
                writer.write(await respond(request))
                await writer.drain()
                if request.close:
                    return
                answered = True
        except wire.Refused as refused:
            writer.write(wire.refuse(refused.args[0]))
            return
        if wire.draining and answered:
            return


async def serve_echo(reader, writer):
    while data := await reader.read(wire.READ_BYTES):
        writer.write(data)
        await writer.drain()


async def discard(reader):
    while not wire.draining and await reader.read(wire.READ_BYTES):
        pass


async def serve(reader, writer, protocol):
    task = asyncio.current_task()
    connections[task] = writer
    try:
        await (serve_echo if protocol == "echo" else serve_http)(reader, writer)
        writer.write_eof()
        # Closing a connection with unread bytes resets it, and the reset can overtake the answer.
        await asyncio.wait_for(discard(reader), wire.LINGER)
    except (OSError, asyncio.TimeoutError):
        pass  # the client has gone, or has had enough time
    finally:
        del connections[task]
        writer.close()


def run(listener, protocol):
    """Serves the connections of a listener until SIGTERM, and ends this process."""
    asyncio.run(loop(listener, protocol))


async def loop(listener, protocol):
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})  # was blocked in a forked worker
    server = await asyncio.start_server(
        lambda r, w: serve(r, w, protocol), sock=listener, limit=wire.READ_BYTES, backlog=4096
    )
    await stop.wait()
    end = time.monotonic() + wire.DRAIN
    for _ in range(3):
        await asyncio.sleep(0)  # the loop accepts the connections in the queue
    wire.draining = True
    server.close()
    await asyncio.sleep(0)  # they get their tasks
    if connections:
        await asyncio.wait(connections, timeout=wire.GRACE)
    for writer in list(connections.values()):
        wire.end_reading(writer.get_extra_info("socket"))
    if connections:
        await asyncio.wait(connections, timeout=end - time.monotonic())
    sys.stderr.flush()
    os._exit(0)  # cuts off tasks and threads of the pool that are not done


def main():
    global pool
    args = wire.arguments(
        __doc__.splitlines()[0],
        ("--offload", {"action": "store_true", "help": f"run /block on a pool of {OFFLOAD_THREADS} threads"}),
    )
    if args.offload:
        pool = concurrent.futures.ThreadPoolExecutor(OFFLOAD_THREADS)
    run(wire.listen(args.addr), args.protocol)


if __name__ == "__main__":
    main()
