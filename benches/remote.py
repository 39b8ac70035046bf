#!/usr/bin/env python3
"""What a remote store costs and saves: remote.py FOLDER [ROUNDS], as `make bench-remote` runs it.

FOLDER has sqlite.ll, see prepare.sh, and the program `remote`. A Redis of its own runs while it measures."""

import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Redis:
    def __init__(self):
        self.port = free_port()
        command = ["redis-server", "--bind", "127.0.0.1", "--port", str(self.port), "--save", ""]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return
            except OSError:
                time.sleep(0.01)

    def forget(self):
        with socket.create_connection(("127.0.0.1", self.port)) as connection:
            connection.sendall(b"FLUSHALL\r\n")
            assert connection.recv(5) == b"+OK\r\n"

    def end(self):
        self.process.kill()
        self.process.wait()


class Far:
    """Passes bytes on to a port, answers some milliseconds later."""

    def __init__(self, port, milliseconds):
        self.port, self.target, self.delay = free_port(), port, milliseconds / 1000
        threading.Thread(target=asyncio.run, args=(self.serve(),), daemon=True).start()
        while socket.socket().connect_ex(("127.0.0.1", self.port)) != 0:
            time.sleep(0.01)

    async def serve(self):
        server = await asyncio.start_server(self.client, "127.0.0.1", self.port)
        await server.serve_forever()

    async def client(self, reader, writer):
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target)
        await asyncio.gather(self.copy(reader, far_writer, 0), self.copy(far_reader, writer, self.delay))

    async def copy(self, reader, writer, delay):
        while content := await reader.read(1 << 16):
            await asyncio.sleep(delay)
            writer.write(content)
        writer.close()


def measure(program, mode, url, port, rounds, sqlite=""):
    with tempfile.TemporaryDirectory(prefix="mg-") as folder:
        environment = {
            **os.environ,
            "XDG_RUNTIME_DIR": folder,
            "MGENJIT_SERVER": os.path.join(ROOT, "target/release/mgenjit-server"),
        }
        command = [program, mode, url, str(port), folder, sqlite, str(rounds)]
        said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment).stdout
        return [json.loads(line) for line in said.splitlines()]


def verdict(what, value, target, unit=""):
    print(f"{what}: {value:.3f}{unit}, target {target}{unit}: {'met' if value <= target else 'MISSED'}")
    return value <= target


def main():
    folder = sys.argv[1]
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 60
    program = os.path.join(folder, "remote")
    redis = Redis()
    url = f"redis://127.0.0.1:{redis.port}"
    try:
        [small] = measure(program, "small", url, redis.port, rounds)
        print(", ".join(f"{name} {value} ms" for name, value in small.items()))
        met = verdict("a remote hit, more than a local one", small["fetched"] - small["local"], 1.5, " ms")
        met &= verdict("cold with an empty remote, of cold without one", small["empty"] / small["cold"], 1.03)
        met &= verdict("the same, put there too", small["written"] / small["cold"], 1.03)
        met &= verdict("cold with a dead remote, more than without one", small["dead"] - small["cold"], 2, " ms")
        [large] = measure(program, "large", url, redis.port, 15, os.path.join(folder, "sqlite.ll"))
        megabytes = large["value"] / 1e6
        # A local hit hashes the IR too, which is no part of what a remote does.
        times = {"ours": large["ours"] - large["local"], "ours, with what a local hit takes": large["ours"],
                 "Redis' own protocol": large["theirs"]}
        print(f"SQLite's entry, {megabytes:.1f} MB: " + ", ".join(
            f"{who} {time:.1f} ms, {megabytes / time * 1000:.0f} MB/s" for who, time in times.items()))
        share = large["theirs"] / times["ours"]
        print(f"SQLite's entry, of what Redis' own protocol reaches: {share:.2f} ({large['theirs'] / large['ours']:.2f} with what a "
              f"local hit takes), target 0.6: {'met' if share >= 0.6 else 'MISSED'}")
        print("the time until a module is there that a remote has, and how many of them it had in time:")
        for delay in (0, 2, 5, 10, 20, 50):
            redis.forget()
            far = Far(redis.port, delay)
            found = measure(program, "hedge", f"redis://127.0.0.1:{far.port}", far.port, max(rounds // 4, 5))
            cells = [f"{row['hedge']} ms: {row['time']:.1f} ms ({row['fetched']})" for row in found]
            print(f"  answers after {delay} ms: " + ", ".join(cells))
    finally:
        redis.end()
    return 0 if met and share >= 0.6 else 1


if __name__ == "__main__":
    sys.exit(main())
