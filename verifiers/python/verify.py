#!/usr/bin/env python3
"""Verifies what a main node serves, trusting nothing but the hash of the genesis block.

    python3 verifiers/python/verify.py --main URL --genesis HASH --all
    python3 verifiers/python/verify.py --main URL --genesis HASH --tensor ROOT --chunk 3 --json
    python3 verifiers/python/verify.py --main URL --genesis HASH --model NAME --follow --keep FILE
    python3 verifiers/python/verify.py --vectors packages/chain/vectors

Needs Python 3.8 and its standard library. An implementation of docs/chain.md of its own: it shares no
code with the product. Ends with 0 when everything holds, 1 when something does not, 2 when it was not
asked rightly or the node did not answer.
"""

import argparse
import http.client
import json
import os
import re
import sys
import time
import urllib.error
import urllib.request

from chain import open_checkpoint
from refused import Refused
from vectors import Vectors
from walk import MAX_FOLLOWED, Walk

TIMEOUT_S = 60


def over_http(base):
    opener = urllib.request.build_opener()

    def fetch(path, bound, part):
        headers = {"range": f"bytes={part[0]}-{part[1] - 1}"} if part else {}
        request = urllib.request.Request(base.rstrip("/") + path, headers=headers)
        try:
            with opener.open(request, timeout=TIMEOUT_S) as response:
                if part and part[0] > 0 and response.status != 206:
                    raise OSError("the node does not know ranges")
                return response.read(bound + 1)
        except urllib.error.HTTPError as error:
            with error:
                raise OSError(f"status {error.code}") from None
        except http.client.HTTPException as error:
            raise OSError(f"the answer broke off: {error}") from None

    return fetch


def hash_argument(text):
    if not re.fullmatch("[0-9a-f]{64}", text):
        raise argparse.ArgumentTypeError("expected 64 hex digits")
    return bytes.fromhex(text)


def read_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--main", help="URL of a main node")
    parser.add_argument("--genesis", type=hash_argument, help="block hash of chain A's genesis")
    target = parser.add_mutually_exclusive_group(required=True)
    target.add_argument("--tensor", type=hash_argument, metavar="ROOT")
    target.add_argument("--block", type=hash_argument, metavar="HASH")
    target.add_argument("--model", metavar="NAME", help="name, or hash of its block")
    target.add_argument("--all", action="store_true", help="every block and every weight")
    target.add_argument("--vectors", metavar="FOLDER", help="the cases of the specification")
    parser.add_argument("--chunk", type=int, help="one chunk of the tensor")
    parser.add_argument("--no-weights", action="store_true", help="blocks alone, with --all or --model")
    reading = parser.add_mutually_exclusive_group()
    reading.add_argument("--prove", action="store_true", help="prove blocks of B instead of following it")
    reading.add_argument("--follow", action="store_true", help="follow B, however long it is")
    parser.add_argument("--keep", metavar="FILE", help="remember the checkpoints there until the next time")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    options = parser.parse_args()
    if not options.vectors and not (options.main and options.genesis):
        parser.error("--main and --genesis are needed")
    return options


def target_of(options, fetch):
    if options.tensor:
        return {"kind": "tensor", "root": options.tensor, "chunk": options.chunk}
    if options.model:
        named = re.fullmatch("[0-9a-f]{64}", options.model)
        model = bytes.fromhex(options.model) if named else options.model
        return {"kind": "model", "model": model, "weights": not options.no_weights}
    if options.all:
        return {"kind": "all", "weights": not options.no_weights}
    for chain in "ABL":
        try:
            fetch(f"/chain/{chain}/block/{options.block.hex()}?format=header", 1024, None)
        except OSError:
            continue
        return {"kind": "block", "chain": chain, "hash": options.block}
    raise OSError("the node has no block of this hash")


def read_kept(file, genesis):
    """Checkpoints by chain, as bytes. The file is that of `npm run verify`, too."""
    try:
        with open(file, encoding="utf-8") as stored:
            kept = json.load(stored)
        if kept["genesis"] != genesis.hex():
            raise ValueError("it belongs to another genesis")
        return {chain: bytes.fromhex(text) for chain, text in kept["checkpoints"].items()}
    except FileNotFoundError:
        return {}


def write_kept(file, genesis, kept):
    stored = {"genesis": genesis.hex(), "checkpoints": {c: data.hex() for c, data in kept.items()}}
    # Whole or not at all: half a file would be refused the next time.
    with open(f"{file}.new", "w", encoding="utf-8") as fresh:
        fresh.write(json.dumps(stored) + "\n")
    os.replace(f"{file}.new", file)


def main():
    options = read_arguments()
    if options.vectors:
        vectors = Vectors(options.vectors)
        ok = vectors.run()
        result = {"ok": ok, "cases": vectors.count, "failures": vectors.failures}
        print(json.dumps(result) if options.json else f"{vectors.count} cases, {len(vectors.failures)} failed")
        for failure in [] if options.json else vectors.failures:
            print(f"  {failure['name']}: {failure['problem']}")
        return 0 if ok else 1
    steps = []

    def tell(step):
        steps.append(step)
        if not options.json:
            where = " ".join(f"{k}={str(v)[:40]}" for k, v in step["subject"].items())
            mark = "ok  " if step["ok"] else "FAIL"
            print(f"{mark} {step['step']:<11}{where}  {step['bytes']} bytes, {step['ms']} ms")

    def unknown(problem):
        print(json.dumps({"ok": False, "problem": problem}) if options.json else problem, file=sys.stderr)
        return 2

    started = time.monotonic()
    fetch = over_http(options.main)
    kept = {}
    try:
        if options.keep:
            kept = read_kept(options.keep, options.genesis)
        opened = {chain: open_checkpoint(data) for chain, data in kept.items()}
    except (AttributeError, KeyError, OSError, TypeError, ValueError, Refused) as error:
        return unknown(f"--keep: {options.keep} cannot be used: {error}")
    try:
        target = target_of(options, fetch)
    except OSError as error:
        return unknown(str(error))
    max_followed = 0 if options.prove else float("inf") if options.follow else MAX_FOLLOWED
    walk = Walk(options.genesis, fetch, tell, max_followed, opened)
    ok = walk.run(target)
    if ok and options.keep:
        write_kept(options.keep, options.genesis, {**kept, **walk.published})
    seconds = time.monotonic() - started
    if options.json:
        result = {"ok": ok, "failed": walk.failed, "steps": steps, "bytes": walk.source.bytes}
        print(json.dumps({**result, "ms": round(1000 * seconds)}))
    elif ok:
        print(f"Everything holds: {walk.steps} steps, {walk.source.bytes} bytes, {seconds:.1f} s")
    else:
        print(f"Failed at {walk.failed['step']}: {walk.failed['problem']['message']}")
    if ok:
        return 0
    return 2 if walk.failed["problem"]["code"] == "SOURCE_FAILED" else 1


if __name__ == "__main__":
    sys.exit(main())
