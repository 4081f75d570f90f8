"""The steps from bytes to the genesis, over HTTP: docs/chain.md, "Verifying over HTTP".

Steps are handed to `tell` as they end; the first one that fails ends the walk.
"""

import time

import ed25519
from block import from_wire, open_block, open_header
from chain import (
    Chains,
    check_against,
    check_checkpoint_author,
    check_history,
    check_layer_order,
    open_checkpoint,
)
from merkle import LEAF_SIZE, consistent, included, leaf_count, leaf_hash, root_of, sha256, split
from refused import Refused
from source import Source

MAX_FOLLOWED = 500

# The step that a failure belongs to which is found while a whole chain is followed.
STEP_OF = {
    "HASH_MISMATCH": "header",
    "HEADER_INVALID": "header",
    "HEADER_TOO_LARGE": "header",
    "BLOCK_TYPE": "header",
    "BODY_HASH": "body",
    "BODY_LENGTH": "body",
    "BODY_INVALID": "body",
    "BODY_TOO_LARGE": "body",
    "CODEC_INVALID": "body",
    "SIGNATURE_INVALID": "signature",
    "AUTHOR_UNLISTED": "author",
    "ANCHOR_UNKNOWN": "author",
    "ANCHOR_BACKWARDS": "author",
    "AUTHORITY_KNOWN": "author",
    "AUTHORITY_UNKNOWN": "author",
    "AUTHORITY_LAST": "author",
    "GENESIS_MISMATCH": "genesis",
    "GENESIS_MISSING": "genesis",
}


class Stop(Exception):
    """Ends a walk behind its failed step."""


class Walk:
    def __init__(self, genesis, fetch, tell=lambda step: None, max_followed=MAX_FOLLOWED, kept=None):
        self.source = Source(fetch)
        self.chains = Chains(genesis)
        self.tell = tell
        self.max_followed = max_followed
        self.kept = kept or {}
        self.heads = {}
        self.published = {}  # bytes of the checkpoints, to be kept when the walk succeeds
        self.followed = set()
        self.failed = None
        self.steps = 0

    def step(self, name, subject, work, sort=False):
        """One step: what `work` returns, or Stop behind the failed step."""
        started, before = time.monotonic(), self.source.bytes
        event = {"step": name, "subject": subject, "ok": True, "problem": None}
        result = None
        try:
            result = work()
        except Refused as refused:
            event["ok"] = False
            event["step"] = STEP_OF.get(refused.code, name) if sort else name
            event["subject"] = {**subject, **refused.details}
            event["problem"] = {"code": refused.code, "message": str(refused)}
        event["bytes"] = self.source.bytes - before
        event["ms"] = round(1000 * (time.monotonic() - started), 1)
        self.steps += 1
        self.tell(event)
        if not event["ok"]:
            self.failed = event
            raise Stop
        return result

    def silent(self, name, subject, work):
        """Work that is a step only when it fails."""
        try:
            return work()
        except Refused as refused:
            failure = refused

        def fail():
            raise failure

        return self.step(name, subject, fail)

    def run(self, target):
        """Whether everything held."""
        try:
            getattr(self, target.pop("kind"))(**target)
        except Stop:
            return False
        return True

    # Chains

    def open(self, others, max_followed):
        def read(chain):
            published = self.source.checkpoint(chain)
            checkpoint = open_checkpoint(published)
            if checkpoint["chain"] != chain:
                raise Refused("CHECKPOINT_INVALID", "it is one of another chain", chain=chain)
            self.published[chain] = published
            return checkpoint

        # Theirs before A's, so that none of their blocks is anchored above the head of A read then.
        heads = {}
        for chain in [*others, "A"]:
            heads[chain] = self.silent("checkpoint", {"chain": chain}, lambda c=chain: read(c))
        self.follow("A", heads["A"])
        for chain in others:
            if heads[chain]["size"] <= max_followed:
                self.follow(chain, heads[chain])
            else:
                self.trust(chain, heads[chain])

    def follow(self, chain, head):
        subject = {"chain": chain, "size": head["size"]}
        blocks = self.chains.blocks[chain]

        def read_all():
            while len(blocks) < head["size"]:
                before = len(blocks)
                # Behind the checkpoint the chain may have grown: that is for the next one.
                for wire in self.source.page(chain, before)[: head["size"] - before]:
                    block = from_wire(wire)
                    if block.header["chain"] != chain:
                        raise Refused("ANSWER_INVALID", "a block of another chain", **block.where)
                    self.chains.accept_block(block)
                if len(blocks) == before:
                    raise Refused("SOURCE_FAILED", "no block there", chain=chain, height=before)

        def check():
            check_checkpoint_author(head, self.chains)
            check_history(head, self.chains)

        def check_kept():
            check_history(self.kept[chain], self.chains)
            not_shorter(self.kept[chain], head)

        self.step("linkage", subject, read_all, sort=True)
        self.step("genesis", {"chain": chain, "hash": blocks[0].hash.hex()}, lambda: None)
        self.step("checkpoint", subject, check)
        if chain in self.kept:
            self.step("history", subject, check_kept)
        self.heads[chain] = head
        self.followed.add(chain)

    def trust(self, chain, head):
        subject = {"chain": chain, "size": head["size"]}
        self.step("checkpoint", subject, lambda: check_checkpoint_author(head, self.chains))

        def check_kept():
            older = self.kept[chain]
            not_shorter(older, head)
            sizes = {"from": older["size"], "to": head["size"]}
            same = older["size"] == head["size"]
            path = [] if same else self.source.path("consistency", chain=chain, **sizes)
            check_against(older, head, path)

        if chain in self.kept:
            self.step("history", subject, check_kept)
        genesis = self.chains.derived_genesis(chain)
        subject = {"chain": chain, "height": 0, "hash": genesis.hex()}
        self.step("genesis", subject, lambda: self.in_log(head, 0, genesis))
        self.heads[chain] = head

    def in_log(self, head, height, value):
        where = {"chain": head["chain"], "height": height, "hash": value.hex()}
        if height >= head["size"]:
            raise Refused("BLOCK_UNKNOWN", **where)
        query = {"chain": head["chain"], "height": height, "size": head["size"]}
        path = self.source.path("inclusion", **query)
        if not included(leaf_hash(value), height, head["size"], path, head["log"]):
            raise Refused("PROOF_INVALID", **where)

    def one_block(self, chain, value):
        known = self.chains.by_hash.get(value)
        subject = {"chain": chain, "hash": value.hex()}

        def read_header():
            if known:
                return known.header_bytes, known.body_bytes, known.signature, known.header
            sealed = self.source.block(chain, value)
            _, header = open_header(sealed["header"], value)
            if header["chain"] != chain:
                raise Refused("ANSWER_INVALID", f"a block of chain {header['chain']}")
            return sealed["header"], sealed["body"], sealed["signature"], header

        header_bytes, body_bytes, signature, header = self.step("header", subject, read_header)
        subject["height"] = header["height"]

        def check_signature():
            if not ed25519.verify(signature, value, header["author"]):
                raise Refused("SIGNATURE_INVALID", author=header["author"].hex())

        def check_author():
            anchor = header["anchor"] or header["prev"]
            if anchor is None:
                return
            if anchor not in self.chains.standing:
                raise Refused("ANCHOR_UNKNOWN", anchor=anchor.hex())
            if not self.chains.may_write(header["author"], anchor):
                raise Refused("AUTHOR_UNLISTED", author=header["author"].hex())

        self.step("signature", subject, check_signature)
        parts = (header_bytes, body_bytes, signature)
        block = self.step("body", subject, lambda: open_block(*parts, value))
        self.step("author", subject, check_author)
        self.step("inclusion", subject, lambda: self.check_included(block))
        self.step("linkage", subject, lambda: self.check_linked(block))
        return block

    def check_included(self, block):
        chain, height = block.header["chain"], block.header["height"]
        head = self.heads[chain]
        if chain not in self.followed:
            return self.in_log(head, height, block.hash)
        blocks = self.chains.blocks[chain]
        if height >= min(head["size"], len(blocks)) or blocks[height].hash != block.hash:
            raise Refused("BLOCK_UNKNOWN", chain=chain, height=height)
        return None

    def check_linked(self, block):
        chain, prev = block.header["chain"], block.header["prev"]
        if chain in self.followed or prev is None:
            return  # accepted above the block below it
        head, height = self.heads[chain], block.header["height"]
        _, below = open_header(self.source.header(chain, prev), prev)
        self.in_log(head, height - 1, prev)
        sizes = {"from": height, "to": head["size"]}
        path = self.source.path("consistency", chain=chain, **sizes)
        log = block.header["log"]
        if not consistent(height, head["size"], log, head["log"], path):
            raise Refused("LOG_MISMATCH", chain=chain, height=height)
        self.chains.check_next(block, prev, below, log)

    # Targets

    def block(self, chain, hash):
        self.open([] if chain == "A" else [chain], self.max_followed)
        self.one_block(chain, hash)

    def tensor(self, root, chunk=None):
        self.open(["B"], self.max_followed)
        subject = {"root": root.hex()}
        value = self.silent("descriptor", subject, lambda: self.source.layer_of(root))
        layer = self.one_block("B", value)

        def describe():
            tensors = layer.body["tensors"] if layer.header["type"] == "layer" else []
            for tensor in tensors:
                if tensor["root"] == root:
                    return tensor
            raise Refused("TENSOR_UNKNOWN", "no tensor has this root", **layer.where)

        tensor = self.step("descriptor", subject, describe)
        subject["tensor"] = tensor["name"]
        if chunk is None:
            self.blob(root, tensor["byteLength"], subject)
        else:
            self.one_chunk(root, tensor["byteLength"], chunk, subject)

    def model(self, model, weights=True):
        self.open(["B"], self.max_followed)
        value = model if isinstance(model, bytes) else None
        if value is None:
            value = self.silent("header", {"model": model}, lambda: self.named(model))
        block = self.one_block("A", value)

        def check_order():
            if block.header["type"] != "model":
                raise Refused("BLOCK_UNKNOWN", **block.where)
            check_layer_order(block)

        self.step("layers", block.where, check_order)
        blobs = [(file["root"], file["byteLength"], file) for file in block.body["files"]]
        for entry in block.body["layers"]:
            layer = self.one_block("B", entry["block"])

            def check_group(entry=entry, layer=layer):
                if layer.header["type"] != "layer" or layer.body["group"] != entry["group"]:
                    raise Refused("MODEL_LAYERS", group=entry["group"])

            self.step("layers", {**layer.where, "group": entry["group"]}, check_group)
            if weights:
                blobs += [(t["root"], t["byteLength"], t["name"]) for t in layer.body["tensors"]]
        for root, length, what in blobs:
            self.blob(root, length, *named_blob(root, what))

    def named(self, name):
        for block in reversed(self.chains.blocks["A"]):
            if block.header["type"] == "model" and block.body["name"] == name:
                return block.hash
        raise Refused("BLOCK_UNKNOWN", f"no model is named {name}", chain="A")

    def all(self, weights):
        self.open(["B", "L"], float("inf"))
        models = [block for block in self.chains.blocks["A"] if block.header["type"] == "model"]
        named = {layer["block"] for model in models for layer in model.body["layers"]}
        if not named <= self.chains.by_hash.keys():
            # A model sealed between the reading of the heads names layers above B's: it is read again.
            self.open(["B"], float("inf"))
        for model in models:
            self.step("layers", model.where, lambda m=model: self.chains.layers_of(m))
        blobs = {}  # by all that is claimed of them: each claim is checked once
        for block in self.chains.blocks["A"] + self.chains.blocks["B"] if weights else []:
            for file in block.body["files"] if block.header["type"] == "model" else []:
                blobs[file["root"], file["byteLength"], file["sha256"]] = file
            for tensor in block.body["tensors"] if block.header["type"] == "layer" else []:
                blobs[tensor["root"], tensor["byteLength"], None] = tensor["name"]
        for (root, length, _), what in blobs.items():
            self.blob(root, length, *named_blob(root, what))

    # Bytes

    def blob(self, root, length, subject, file=None):
        count = leaf_count(length)
        leaves = [root]  # of one chunk, the leaf is the root
        if count > 1:

            def read_leaves():
                data = self.source.get(f"/blobs/{root.hex()}/leaves", 32 * count)
                if not data or len(data) % 32 or root_of(split(data)) != root:
                    raise Refused("LEAF_LIST_MISMATCH")
                return split(data)

            leaves = self.step("path", subject, read_leaves)

            def check_count():
                if len(leaves) != count:
                    raise Refused("LEAF_LIST_MISMATCH", f"{len(leaves)} leaves, not {count}")

            self.step("root", subject, check_count)

        def check_chunks():
            whole = []
            for chunk, leaf in enumerate(leaves):
                data = self.chunk(root, length, chunk)
                if leaf_hash(data) != leaf:
                    raise Refused("LEAF_MISMATCH", chunk=chunk)
                if file:
                    whole.append(data)
            if file and sha256(*whole) != file["sha256"]:
                raise Refused("FILE_HASH")

        self.step("file" if file else "leaf", subject, check_chunks)

    def chunk(self, root, length, index):
        start = index * LEAF_SIZE
        end = min(length, start + LEAF_SIZE)
        data = self.source.get(f"/blobs/{root.hex()}", end - start, (start, end))
        if len(data) != end - start:
            raise Refused("BYTE_LENGTH", chunk=index)
        return data

    def one_chunk(self, root, length, index, subject):
        count = leaf_count(length)
        subject = {**subject, "chunk": index}

        def check_leaf():
            if not 0 <= index < count:
                raise Refused("BYTE_LENGTH", f"there are {count} chunks")
            proof = self.source.chunk_proof(root, index)
            if leaf_hash(self.chunk(root, length, index)) != proof[0]:
                raise Refused("LEAF_MISMATCH")
            return proof

        leaf, size, path = self.step("leaf", subject, check_leaf)

        def check_path():
            if not included(leaf, index, size, path, root):
                raise Refused("PROOF_INVALID")

        def check_root():
            if size != count:
                raise Refused("LEAF_LIST_MISMATCH", f"{size} leaves, not {count}")

        self.step("path", subject, check_path)
        self.step("root", subject, check_root)


def not_shorter(older, newer):
    if newer["size"] < older["size"]:
        raise Refused("CHECKPOINT_ROLLBACK", oldSize=older["size"], newSize=newer["size"])


def named_blob(root, what):
    if isinstance(what, dict):
        return {"file": what["path"], "root": root.hex()}, what
    return {"tensor": what, "root": root.hex()}, None


