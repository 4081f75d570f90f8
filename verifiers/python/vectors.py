"""Runs every case under packages/chain/vectors, which are part of the specification."""

import json
import pathlib

import cbor
import ed25519
from block import from_wire, open_block
from chain import (
    Chains,
    check_against,
    check_checkpoint_author,
    check_history,
    open_checkpoint,
    verify_file,
    verify_tensor,
)
from merkle import consistent, included, leaf_hash, root_of, sha256
from refused import Refused
from walk import Walk


def bytes_of(spec):
    """Hex, or a rule for long ones: docs/chain.md, "The vectors"."""
    if isinstance(spec, str):
        return bytes.fromhex(spec)
    if "zeros" in spec:
        return bytes(spec["zeros"])
    rows = (spec["pattern"] + 255) // 256
    data = bytearray()
    for row in range(rows):
        start = row * 256
        offset = 31 * start + 7 * row + (row >> 8)
        data += bytes((offset + 31 * i) & 255 for i in range(256))
    del data[spec["pattern"] :]
    if "flip" in spec:
        data[spec["flip"]] ^= 1
    return bytes(data)


def sealed(vector):
    return bytes_of(vector["header"]), bytes_of(vector["body"]), bytes.fromhex(vector["signature"])


def same(value, expected):
    if isinstance(value, dict):
        return isinstance(expected, dict) and value.keys() == expected.keys() and all(
            same(value[key], expected[key]) for key in value
        )
    if isinstance(value, list):
        return isinstance(expected, list) and len(value) == len(expected) and all(
            map(same, value, expected)
        )
    return type(value) is type(expected) and value == expected


class Vectors:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.failures = []
        self.count = 0

    def load(self, name):
        return json.loads((self.folder / f"{name}.json").read_text("utf-8"))

    def check(self, name, right, what="does not hold"):
        self.count += 1
        if not right:
            self.failures.append({"name": name, "problem": what})

    def run(self):
        for case in self.load("sha256"):
            data = (case["text"] * case["repeat"]).encode()
            self.check(f"sha256 {case['name']}", sha256(data).hex() == case["hash"])
        for case in self.load("codec"):
            data = bytes.fromhex(case["bytes"])
            value = cbor.decode(data, 1024)
            self.check(f"codec {case['name']}", same(value, case["value"]) and cbor.encode(value) == data)
        for case in self.load("ed25519"):
            parts = (bytes.fromhex(case[name]) for name in ("signature", "message", "publicKey"))
            self.check(f"ed25519 {case['name']}", ed25519.verify(*parts) == case["valid"])
        self.trees(self.load("rfc6962"))
        self.chain = self.load("chain")
        self.whole_chain()
        for case in self.load("forgeries"):
            self.refused(case)
        self.walks(self.load("walks"))
        return not self.failures

    def trees(self, vectors):
        leaves = [leaf_hash(bytes.fromhex(data)) for data in vectors["leaves"]]
        roots = [root_of([]), *(root_of(leaves[: size + 1]) for size in range(len(leaves)))]
        self.check("rfc6962 empty", roots[0].hex() == vectors["emptyRoot"])
        self.check("rfc6962 roots", [root.hex() for root in roots[1:]] == vectors["roots"])
        for case in vectors["inclusion"]:
            path = [bytes.fromhex(node) for node in case["proof"]]
            args = (leaves[case["index"]], case["index"], case["size"], path, roots[case["size"]])
            self.check(f"inclusion {case['name']}", included(*args))
        for case in vectors["consistency"]:
            old, new = case["oldSize"], case["newSize"]
            path = [bytes.fromhex(node) for node in case["proof"]]
            right = consistent(old, new, roots[old], roots[new], path)
            self.check(f"consistency {case['name']}", right)

    def chains_at(self, last):
        chains = Chains(bytes.fromhex(self.chain["genesis"]))
        for vector in self.chain["blocks"] if last else []:
            chains.accept(*sealed(vector))
            if vector["name"] == last:
                break
        return chains

    def whole_chain(self):
        chains = self.chains_at("none such")
        for vector in self.chain["blocks"]:
            block = chains.by_hash.get(bytes.fromhex(vector["hash"]))
            right = block is not None and f"{block.header['chain']}{block.header['height']}" == vector["name"]
            again = right and cbor.encode(block.header).hex() == vector["header"]
            self.check(f"chain {vector['name']}", again and cbor.encode(block.body).hex() == vector["body"])
        for chain, root in self.chain["logs"].items():
            self.check(f"log {chain}", chains.logs[chain].root().hex() == root)

    def refused(self, case):
        name = f"forgery {case['name']}"
        try:
            self.attempt(case)
        except Refused as refused:
            details = case.get("details", {})
            right = all(refused.details.get(key) == value for key, value in details.items())
            self.check(name, refused.code == case["code"] and right, f"refused with {refused}")
        else:
            self.check(name, False, "was not refused")

    def attempt(self, case):
        op = case["op"]
        if op == "decode":
            return cbor.decode(bytes_of(case["bytes"]), case["bound"])
        if op == "open":
            return open_block(*sealed(case["sealed"]))
        if op == "openAs":
            return open_block(*sealed(case["sealed"]), bytes.fromhex(case["hash"]))
        if op == "wire":
            return from_wire(case["json"])
        if op == "checkpoint":
            return open_checkpoint(bytes_of(case["bytes"]))
        if op == "checkpointAgainst":
            older, newer = (open_checkpoint(bytes.fromhex(case[key])) for key in ("older", "newer"))
            return check_against(older, newer, [bytes.fromhex(node) for node in case["proof"]])
        chains = self.chains_at(case["after"])
        for vector in case.get("also", []):
            chains.accept(*sealed(vector))
        if op in ("accept", "append"):
            return chains.accept(*sealed(case["sealed"]), writer=op == "append")
        if op == "require":
            return chains.require(bytes.fromhex(case["hash"]), case["type"])
        if op == "model":
            return chains.layers_of(chains.require(bytes.fromhex(case["model"]), "model"))
        if op == "tensor":
            block = chains.require(bytes.fromhex(case["block"]), "layer")
            leaves = bytes.fromhex(case["leaves"]) if "leaves" in case else None
            return verify_tensor(block, case["tensor"], bytes_of(case["bytes"]), leaves)
        if op == "file":
            files = chains.require(bytes.fromhex(case["model"]), "model").body["files"]
            file = next(entry for entry in files if entry["path"] == case["path"])
            return verify_file(chains, dict(file) if case.get("copied") else file, bytes_of(case["bytes"]))
        if op == "checkpointAuthor":
            return check_checkpoint_author(open_checkpoint(bytes.fromhex(case["bytes"])), chains)
        if op == "checkpointHistory":
            return check_history(open_checkpoint(bytes.fromhex(case["bytes"])), chains)
        raise ValueError(f"no such operation: {op}")

    def walks(self, vectors):
        cache = {}
        for case in vectors["cases"]:
            answers = {**vectors["answers"], **case.get("change", {})}

            def fetch(path, bound, part, answers=answers):
                answer = answers.get(path)
                if answer is None:
                    raise OSError(f"status 404 for {path}")
                if "json" in answer:
                    data = json.dumps(answer["json"]).encode()
                else:
                    key = json.dumps(answer["bytes"])
                    if key not in cache:
                        cache[key] = bytes_of(answer["bytes"])
                    data = cache[key]
                return data[part[0] : part[1]] if part else data

            kept = {
                chain: open_checkpoint(bytes.fromhex(text))
                for chain, text in case.get("kept", {}).items()
            }
            genesis = bytes.fromhex(vectors["genesis"])
            walk = Walk(genesis, fetch, max_followed=case["maxFollowed"], kept=kept)
            ok = walk.run(target_of(case["target"]))
            expected = case.get("fails")
            got = walk.failed and {"step": walk.failed["step"], "code": walk.failed["problem"]["code"]}
            wanted = expected and {"step": expected["step"], "code": expected["code"]}
            right = ok == (expected is None) and got == wanted
            if right and expected and "chunk" in expected:
                right = walk.failed["subject"].get("chunk") == expected["chunk"]
            self.check(f"walk {case['name']}", right, f"{got} instead of {wanted}")


def target_of(vector):
    target = dict(vector)
    if target["kind"] == "chains":
        target["kind"] = "all"
    for name in ("hash", "root"):
        if name in target:
            target[name] = bytes.fromhex(target[name])
    return target
