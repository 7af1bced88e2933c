"""Trials of CPython that need no clients.

They measure what an unguarded update loses, what an increment of shared state costs, and how long
it takes to start something that serves a client. The output is one JSON object, like that of
`server --trial` for Go. Values have their unit in their name.

    python3 trial.py --trial python-lost-update --variant unlocked --increments 1000000
"""

import argparse
import asyncio
import fcntl
import json
import mmap
import multiprocessing
import os
import queue
import struct
import sys
import tempfile
import threading
import time

# ---- two threads change one variable ----


class Variable:
    """Loads and stores are calls, as with a property. CPython switches threads where a function
    begins or a loop repeats, so another thread can run between load and store. Within x = x + 1 it
    does not switch."""

    def __init__(self):
        self.value = 0

    def load(self):
        return self.value

    def store(self, value):
        self.value = value


class NoLock:
    def __enter__(self):
        pass

    def __exit__(self, *_):
        pass


def lost_update(lock, increments, participants):
    """One thread adds 1, the other subtracts 2, equally often."""
    x = Variable()
    begin = threading.Barrier(2)

    def change(step):
        begin.wait()
        for _ in range(increments):
            with lock:
                x.store(x.load() + step)

    together([threading.Thread(target=change, args=(step,)) for step in (+1, -2)])
    want, got = -increments, x.load()
    return {"want": want, "got": got, "lost": abs(want - got)}


def together(started):
    for each in started:
        each.start()
    for each in started:
        each.join()


# ---- what an increment costs ----


def counted(participants, increments, took, got):
    """Returns the values of a trial. took is the time of each participant, in seconds."""
    want = participants * increments
    return {
        "increment_sec": sum(took) / want,
        "workers": participants,
        "want": want,
        "got": got,
        "exact": int(got == want),
    }


def timed(increments, add):
    start = time.perf_counter()
    for _ in range(increments):
        add()
    return time.perf_counter() - start


def in_threads(increments, participants, add):
    begin, took = threading.Barrier(participants), []

    def work():
        begin.wait()
        took.append(timed(increments, add))

    together([threading.Thread(target=work) for _ in range(participants)])
    return took


def in_processes(increments, participants, prepare):
    """Each forked process adds with the function that prepare returns. All begin together."""
    fork = multiprocessing.get_context("fork")
    begin, took = fork.Barrier(participants), fork.SimpleQueue()

    def work():
        add = prepare()
        begin.wait()
        took.put(timed(increments, add))

    together([fork.Process(target=work) for _ in range(participants)])
    return [took.get() for _ in range(participants)]


def mutex(increments, participants):
    """All threads share a variable, under a lock."""
    lock, x = threading.Lock(), Variable()

    def add():
        with lock:
            x.store(x.load() + 1)

    return counted(participants, increments, in_threads(increments, participants, add), x.load())


def owner(increments, participants):
    """One thread owns the variable. The others send it messages, and wait until it has counted."""
    box, x = queue.SimpleQueue(), Variable()

    def own():
        while (done := box.get()) is not None:
            x.store(x.load() + 1)
            done.release()

    thread = threading.Thread(target=own)
    thread.start()
    mine = threading.local()

    def add():
        if not hasattr(mine, "done"):
            mine.done = threading.Semaphore(0)
        box.put(mine.done)
        mine.done.acquire()

    took = in_threads(increments, participants, add)
    box.put(None)
    thread.join()
    return counted(participants, increments, took, x.load())


COUNT = struct.Struct("q")


def flock(increments, participants):
    """A file that each process locks, reads and writes."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(COUNT.pack(0))
        file.flush()

        def prepare():
            fd = os.open(file.name, os.O_RDWR)  # its own: a lock belongs to an open file

            def add():
                fcntl.flock(fd, fcntl.LOCK_EX)
                (value,) = COUNT.unpack(os.pread(fd, COUNT.size, 0))
                os.pwrite(fd, COUNT.pack(value + 1), 0)
                fcntl.flock(fd, fcntl.LOCK_UN)

            return add

        took = in_processes(increments, participants, prepare)
        return counted(participants, increments, took, COUNT.unpack(os.pread(file.fileno(), COUNT.size, 0))[0])


def shm(increments, participants):
    """A page that all processes map, and a lock: the standard library has no atomic addition."""
    page = mmap.mmap(-1, mmap.PAGESIZE)
    lock = multiprocessing.get_context("fork").Lock()

    def prepare():
        def add():
            with lock:
                (value,) = COUNT.unpack_from(page)
                COUNT.pack_into(page, 0, value + 1)

        return add

    return counted(participants, increments, in_processes(increments, participants, prepare), COUNT.unpack_from(page)[0])


def pipe(increments, participants):
    """A process owns the variable. The others write to its pipe, and read the new value from theirs."""
    ask, tell = os.pipe(), [os.pipe() for _ in range(participants)]
    pid = os.fork()
    if pid == 0:
        os.close(ask[1])
        value = 0
        while who := os.read(ask[0], 1):
            value += 1
            os.write(tell[who[0]][1], COUNT.pack(value))
        os.write(tell[0][1], COUNT.pack(value))
        os._exit(0)
    numbers = multiprocessing.get_context("fork").SimpleQueue()
    for number in range(participants):
        numbers.put(number)

    def prepare():
        number = numbers.get()
        name, answer = bytes([number]), tell[number][0]

        def add():
            os.write(ask[1], name)
            os.read(answer, COUNT.size)

        return add

    took = in_processes(increments, participants, prepare)
    os.close(ask[1])  # the last end for writing: the owner sees the end of the pipe
    got = COUNT.unpack(os.read(tell[0][0], COUNT.size))[0]
    os.waitpid(pid, 0)
    return counted(participants, increments, took, got)


# ---- how long it takes to start something that serves a client ----


def summed(took):
    took.sort()
    return {"start_sec": took[len(took) // 2], "max_sec": took[-1], "started": len(took)}


def start_process(times, participants):
    read, write = os.pipe()
    took = []
    for _ in range(times):
        begin = time.perf_counter()
        pid = os.fork()
        if pid == 0:
            os.write(write, b"r")
            os._exit(0)
        os.read(read, 1)
        took.append(time.perf_counter() - begin)
        os.waitpid(pid, 0)
    return summed(took)


def start_thread(times, participants):
    ran = threading.Semaphore(0)
    took = []
    for _ in range(times):
        begin = time.perf_counter()
        threading.Thread(target=ran.release, daemon=True).start()
        ran.acquire()
        took.append(time.perf_counter() - begin)
    return summed(took)


def start_task(times, participants):
    async def all_tasks():
        took = []

        async def run(done):
            done.set_result(None)

        for _ in range(times):
            begin = time.perf_counter()
            done = asyncio.get_running_loop().create_future()
            asyncio.create_task(run(done))
            await done
            took.append(time.perf_counter() - begin)
        return summed(took)

    return asyncio.run(all_tasks())


TRIALS = {
    "python-lost-update": {
        "unlocked": lambda increments, participants: lost_update(NoLock(), increments, participants),
        "locked": lambda increments, participants: lost_update(threading.Lock(), increments, participants),
    },
    "python-increment": {"mutex": mutex, "owner": owner, "flock": flock, "shm": shm, "pipe": pipe},
    "python-start": {"process": start_process, "thread": start_thread, "task": start_task},
}

MAX_PARTICIPANTS = 250  # its number is a byte


def whole(most):
    def read(text):
        if not text.isdigit() or not 1 <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"{text}: must be a whole number of 1 to {most}")
        return int(text)

    return read


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("--trial", choices=tuple(TRIALS), required=True)
    parser.add_argument("--variant", help="default: the first of the trial")
    parser.add_argument("--increments", type=whole(10**9), default=10000, help="of each participant; or how many to start")
    parser.add_argument("--workers", type=whole(MAX_PARTICIPANTS), default=2, help="threads or processes")
    args = parser.parse_args()
    variants = TRIALS[args.trial]
    variant = args.variant or next(iter(variants))
    if variant not in variants:
        parser.error(f"argument --variant: {variant}: must be one of {', '.join(variants)}")
    values = variants[variant](args.increments, args.workers)
    json.dump({"name": args.trial, "variant": variant, "values": values}, sys.stdout)
    print()


if __name__ == "__main__":
    main()
