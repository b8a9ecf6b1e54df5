#!/usr/bin/env python3
"""Many clients against one server, with or without faults.

Starts `lockstep serve`, and for a while keeps so many clients busy: streams of different lengths, some
that leave in the middle, some whose request is no request. Every stream that ends is compared with
what the same request gives when it is alone, to the last byte. With --kill, processes of the ranks are
killed or stopped at random meanwhile. At the end: what was answered, the longest pause of a stream, the
memory of the server and its ranks, and the throughput.

  tests/bench/serve_load.py build/release/lockstep --clients 500 --seconds 300
  tests/bench/serve_load.py build/release/lockstep --clients 60 --seconds 300 --tp 2 --kill 100
"""

import argparse
import asyncio
import json
import os
import pathlib
import random
import signal
import statistics
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "clients"))
import served  # noqa: E402

BAD_BODIES = [b"{", b"[]", b'{"prompt": 5}', b'{"prompt": "a", "max_tokens": -3}',
              b'{"prompt": "a", "temperature": "hot"}', b'{"prompt": "\xff"}', b"[" * 5000]


def kinds(count, longest):
    """Requests whose answers are known, each of its own kind."""
    numbers = random.Random(7)
    made = []
    for index in range(count):
        request = {"prompt": numbers.choice(["ROMEO:", "First Citizen:\n", "To be", "My lord, " * 6]) + str(index),
                   "max_tokens": numbers.choice([4, 16, 48, longest]), "seed": index, "stream": True,
                   "temperature": numbers.choice([0, 0.7, 1.0]), "ignore_eos": True}
        if index % 5 == 0:
            request["logprobs"] = 1
        if index % 7 == 0:
            request.update(n=2, temperature=0.9)
        made.append(request)
    return made


class Client:
    def __init__(self, port):
        self.port = port

    async def post(self, body, on_bytes=None):
        """Status and body; on_bytes sees each piece, and ends it by returning False."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(b"POST /v1/completions HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                         b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            head = await reader.readuntil(b"\r\n\r\n")
            status, whole = int(head.split(b" ", 2)[1]), b""
            if b"chunked" not in head.lower():
                return status, await reader.read()
            while True:
                size = int(await reader.readline(), 16)
                piece = (await reader.readexactly(size + 2))[:size]
                if size == 0:
                    return status, whole
                whole += piece
                if on_bytes and not on_bytes(piece):
                    return status, None
        finally:
            writer.close()


def texts_of(stream):
    """What a client makes of the events: the choices' texts, tokens' probabilities and ends."""
    choices = {}
    for event in stream.split(b"\n\n"):
        if not event.startswith(b"data: {"):
            continue
        for choice in json.loads(event[6:]).get("choices", []):
            one = choices.setdefault(choice["index"], {"text": "", "logprobs": [], "finish": None})
            one["text"] += choice["text"]
            if choice.get("logprobs"):
                one["logprobs"] += choice["logprobs"]["token_logprobs"]
            one["finish"] = choice["finish_reason"] or one["finish"]
    return choices if stream.endswith(b"data: [DONE]\n\n") else None


class Load:
    def __init__(self, port, options):
        self.client, self.options = Client(port), options
        self.requests = kinds(40, options.longest)
        self.alone, self.counts, self.pauses, self.tokens = [], {}, [], 0
        self.first_tokens, self.failures = [], 0

    def count(self, what):
        self.counts[what] = self.counts.get(what, 0) + 1

    def fail(self, what):
        self.failures += 1
        self.count(what)

    async def learn(self):
        for request in self.requests:
            _, stream = await self.client.post(json.dumps(request).encode())
            self.alone.append(texts_of(stream))
            assert self.alone[-1], "a request alone was not answered"

    async def one(self, numbers):
        if numbers.random() < self.options.malformed:
            status, _ = await self.client.post(numbers.choice(BAD_BODIES))
            if status == 503:  # before it is looked at
                return self.count("refused with 503")
            return self.count("malformed, refused") if status == 400 else self.fail(f"malformed, but {status}")
        index = numbers.randrange(len(self.requests))
        leaves = numbers.random() < self.options.leaving
        begun = last = time.monotonic()
        pieces, longest, first = 0, 0.0, None

        def on_bytes(_):
            nonlocal pieces, last, longest, first
            now = time.monotonic()
            longest, last, pieces = max(longest, now - last), now, pieces + 1
            first = first or now - begun
            return not (leaves and pieces >= 3)

        status, stream = await self.client.post(json.dumps(self.requests[index]).encode(), on_bytes)
        if status == 503:
            self.count("refused with 503")
            return await asyncio.sleep(0.2)
        if status != 200:
            return self.fail(f"ended with {status}: {stream[:200]}")
        if stream is None:
            return self.count("left")
        self.pauses.append(longest)
        self.first_tokens.append(first)
        self.tokens += pieces
        self.count("right") if texts_of(stream) == self.alone[index] else self.fail("wrong")

    async def work(self, seed, until):
        numbers = random.Random(seed)
        while time.monotonic() < until:
            try:
                await self.one(numbers)
            except (OSError, asyncio.IncompleteReadError, ValueError) as error:
                self.fail(f"broken off: {type(error).__name__}")


def memory_mb(pids):
    total = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/statm") as statm:
                total += int(statm.read().split()[1]) * 4096
        except OSError:
            pass
    return total / 1e6


async def kill_at_random(server, count, until, done):
    numbers = random.Random(3)
    gap = (until - time.monotonic()) / (count + 1)
    for _ in range(count):
        await asyncio.sleep(gap)
        victims = served.descendants(server)
        if not victims:
            continue
        chosen = numbers.choice([numbers.choice(victims), "all"])
        name = signal.SIGSTOP if chosen != "all" and numbers.random() < 0.25 else signal.SIGKILL
        for pid in victims if chosen == "all" else [chosen]:
            try:
                os.kill(pid, name)
            except ProcessLookupError:
                pass
        done.append(name.name)


async def watch_memory(server, samples):
    while True:
        samples.append((memory_mb([server]), memory_mb(served.descendants(server))))
        await asyncio.sleep(1)


def words_of(options):
    words = ["--model", options.model, "--threads", "1", "--max-queue", str(options.max_queue)]
    return words + (["--tp", str(options.tp)] if options.tp > 1 else []) + options.more


async def run(options):
    os.environ["LOCKSTEP"] = options.program
    server = served.Server(*words_of(options)).__enter__()
    port = int(server.url.rsplit(":", 1)[1])
    load, samples, kills = Load(port, options), [], []
    try:
        await load.learn()
        begun = time.monotonic()
        until = begun + options.seconds
        extra = [asyncio.create_task(watch_memory(server.process.pid, samples))]
        if options.kill:
            extra.append(asyncio.create_task(kill_at_random(server.process.pid, options.kill, until, kills)))
        await asyncio.gather(*(load.work(seed, until) for seed in range(options.clients)))
        took = time.monotonic() - begun
        for task in extra:
            task.cancel()
    finally:
        code = server.stop()
        if options.log:
            pathlib.Path(options.log).write_text(server.said())
    report(load, samples, kills, took, code)
    return 1 if load.failures or code else 0


def report(load, samples, kills, took, code):
    for name, count in sorted(load.counts.items()):
        print(f"{count:8}  {name}")
    print(f"{len(kills):8}  kills and stops ({kills.count('SIGSTOP')} stops)")
    print(f"events of whole streams a second: {load.tokens / took:.0f}")
    if load.pauses:
        print(f"longest pause of a stream: {max(load.pauses):.2f} s, median {statistics.median(load.pauses):.2f} s")
        print(f"first event: median {statistics.median(load.first_tokens):.2f} s, worst {max(load.first_tokens):.2f} s")
    tenth = max(1, len(samples) // 10)
    for place, name in enumerate(("server", "ranks")):
        early = statistics.median(sample[place] for sample in samples[tenth:2 * tenth] or samples)
        late = statistics.median(sample[place] for sample in samples[-tenth:])
        print(f"memory of the {name}: {early:.0f} MB after a tenth of the time, {late:.0f} MB at the end")
    print(f"the server's exit code: {code}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--model", default="models/shakespeare-neox")
    parser.add_argument("--clients", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--tp", type=int, default=1)
    parser.add_argument("--kill", type=int, default=0, help="so many kills and stops")
    parser.add_argument("--leaving", type=float, default=0.1, help="share of clients that leave")
    parser.add_argument("--malformed", type=float, default=0.05)
    parser.add_argument("--longest", type=int, default=120, help="tokens of the longest texts")
    parser.add_argument("--max-queue", type=int, default=256)
    parser.add_argument("--log", help="where to keep what the server says")
    parser.add_argument("--more", nargs=argparse.REMAINDER, default=[], help="further words for the server")
    sys.exit(asyncio.run(run(parser.parse_args())))


if __name__ == "__main__":
    main()
