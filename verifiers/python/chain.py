"""Chains from one pinned hash, checkpoints, models, tensors and files: the rest of docs/chain.md."""

import cbor
import ed25519
from block import MAX_HEIGHT, block_hash, body_hash, has_fields, is_count, is_hash, open_block
from merkle import Log, consistent, leaf_count, leaf_hash, leaves_of, root_of, sha256, split
from refused import Refused

MAX_CHECKPOINT = 1024
CHECKPOINT_FIELDS = "v chain size head log time author".split()


class Chains:
    """Verified blocks of A, B and L. A refused block changes nothing."""

    def __init__(self, genesis):
        self.genesis = genesis
        self.blocks = {"A": [], "B": [], "L": []}
        self.logs = {"A": Log(), "B": Log(), "L": Log()}
        self.by_hash = {}
        self.standing = {}  # hash of a block of A: (height, set of keys)

    def log_root(self, chain, size):
        """Over the first blocks: what the header at height `size` has."""
        blocks = self.blocks[chain]
        return self.logs[chain].root() if size == len(blocks) else blocks[size].header["log"]

    def derived_genesis(self, chain):
        root = self.blocks["A"][0]
        body = cbor.encode({"network": root.body["network"], "root": root.hash})
        header = {
            "v": 1,
            "chain": chain,
            "height": 0,
            "prev": None,
            "time": root.header["time"],
            "type": "genesis",
            "body": body_hash(body),
            "bodyLength": len(body),
            "anchor": root.hash,
            "log": sha256(),
            "author": root.header["author"],
        }
        return block_hash(cbor.encode(header))

    def accept(self, header_bytes, body_bytes, signature, writer=False):
        """One block, in order; `writer`: anchored at the head of A, as who appends demands."""
        return self.accept_block(open_block(header_bytes, body_bytes, signature), writer)

    def accept_block(self, block, writer=False):
        if block.hash in self.by_hash:
            return self.by_hash[block.hash]
        chain, height = block.header["chain"], block.header["height"]
        blocks = self.blocks[chain]
        if height == 0:
            self._check_genesis(block)
        elif not blocks:
            if not self.blocks["A"]:
                raise Refused("GENESIS_MISSING", **block.where)
            raise Refused("HEIGHT_GAP", **block.where)
        elif height < len(blocks):
            known = blocks[height]
            self.check_next(block, blocks[height - 1].hash, blocks[height - 1].header, known.header["log"])
            details = {"hash": known.hash.hex(), "other": block.hash.hex()}
            raise Refused("EQUIVOCATION", **{**block.where, **details})
        else:
            self.check_next(block, blocks[-1].hash, blocks[-1].header, self.logs[chain].root())
            head = self.blocks["A"][-1].hash
            if writer and chain != "A" and block.header["anchor"] != head:
                raise Refused("ANCHOR_STALE", **block.where)
        if chain == "A":
            self.standing[block.hash] = (height, self._keys_after(block))
        blocks.append(block)
        self.logs[chain].append(leaf_hash(block.hash))
        self.by_hash[block.hash] = block
        return block

    def _check_genesis(self, block):
        chain = block.header["chain"]
        if chain != "A" and not self.blocks["A"]:
            raise Refused("GENESIS_MISSING", **block.where)
        expected = self.genesis if chain == "A" else self.derived_genesis(chain)
        if block.hash != expected:
            raise Refused("GENESIS_MISMATCH", expected=expected.hex(), **block.where)
        if chain == "A" and block.header["author"] not in block.body["authorities"]:
            raise Refused("AUTHOR_UNLISTED", **block.where)

    def check_next(self, block, prev, below, log):
        """The order of docs/chain.md, "Who may write"."""
        header, where = block.header, block.where
        if header["height"] != below["height"] + 1:
            raise Refused("HEIGHT_GAP", **where)
        if header["prev"] != prev:
            raise Refused("PREV_MISMATCH", **where)
        if header["log"] != log:
            raise Refused("LOG_MISMATCH", **where)
        if header["time"] < below["time"]:
            raise Refused("TIME_BACKWARDS", **where)
        anchor = header["anchor"] or prev
        if anchor not in self.standing:
            raise Refused("ANCHOR_UNKNOWN", **where)
        seen, keys = self.standing[anchor]
        if below["anchor"] is not None and seen < self.standing[below["anchor"]][0]:
            raise Refused("ANCHOR_BACKWARDS", **where)
        if header["author"] not in keys:
            raise Refused("AUTHOR_UNLISTED", **where)
        if header["chain"] == "A":
            self._keys_after(block)

    def may_write(self, key, anchor):
        return anchor in self.standing and key in self.standing[anchor][1]

    def _keys_after(self, block):
        if block.header["type"] == "genesis":
            return frozenset(block.body["authorities"])
        keys = self.standing[block.header["prev"]][1]
        if block.header["type"] != "authority":
            return keys
        key = block.body["key"]
        if block.body["action"] == "add":
            if key in keys:
                raise Refused("AUTHORITY_KNOWN", **block.where)
            return keys | {key}
        if key not in keys:
            raise Refused("AUTHORITY_UNKNOWN", **block.where)
        if len(keys) == 1:
            raise Refused("AUTHORITY_LAST", **block.where)
        return keys - {key}

    def require(self, value, kind):
        block = self.by_hash.get(value)
        if block is None or block.header["type"] != kind:
            raise Refused("BLOCK_UNKNOWN", hash=value.hex())
        return block

    def layers_of(self, model):
        check_layer_order(model)
        layers = []
        for entry in model.body["layers"]:
            block = self.by_hash.get(entry["block"])
            if block is None or block.header["type"] != "layer" or block.body["group"] != entry["group"]:
                raise Refused("MODEL_LAYERS", group=entry["group"])
            layers.append(block)
        return layers


def check_layer_order(model):
    groups = [layer["group"] for layer in model.body["layers"]]
    count = sum(group.startswith("layer.") for group in groups)
    order = ["embedding", *(f"layer.{i}" for i in range(count)), "norm"]
    if groups != order and groups != [*order, "head"]:
        raise Refused("MODEL_LAYERS", f"expected {', '.join(order)}")


def open_checkpoint(data):
    try:
        envelope = cbor.decode(data, MAX_CHECKPOINT)
        if not has_fields(envelope, "checkpoint", "signature"):
            raise Refused("CHECKPOINT_INVALID")
        inner, signature = envelope["checkpoint"], envelope["signature"]
        if not isinstance(inner, bytes) or not isinstance(signature, bytes) or len(signature) != 64:
            raise Refused("CHECKPOINT_INVALID")
        value = cbor.decode(inner, MAX_CHECKPOINT)
    except Refused:
        raise Refused("CHECKPOINT_INVALID") from None
    right = (
        has_fields(value, *CHECKPOINT_FIELDS)
        and is_count(value["v"], 1, 1)
        and value["chain"] in ("A", "B", "L")
        and is_count(value["size"], 1, MAX_HEIGHT)
        and is_count(value["time"])
        and all(is_hash(value[name]) for name in ("head", "log", "author"))
    )
    if not right:
        raise Refused("CHECKPOINT_INVALID")
    if not ed25519.verify(signature, sha256(b"blyan/v1/checkpoint\x00", inner), value["author"]):
        raise Refused("SIGNATURE_INVALID", chain=value["chain"], size=value["size"])
    return value


def check_checkpoint_author(checkpoint, chains):
    head = chains.blocks["A"][-1].hash if chains.blocks["A"] else None
    if not chains.may_write(checkpoint["author"], head):
        raise Refused("AUTHOR_UNLISTED", chain=checkpoint["chain"], size=checkpoint["size"])


def check_history(checkpoint, chains):
    """That followed blocks contain the history of a checkpoint."""
    chain, size = checkpoint["chain"], checkpoint["size"]
    blocks = chains.blocks[chain]
    if len(blocks) < size:
        raise Refused("CHECKPOINT_ROLLBACK", chain=chain, oldSize=size, newSize=len(blocks))
    if blocks[size - 1].hash != checkpoint["head"] or chains.log_root(chain, size) != checkpoint["log"]:
        raise Refused("CHECKPOINT_FORK", chain=chain, height=size - 1)


def check_against(older, newer, path):
    """The same from two checkpoints and a consistency proof."""
    if newer["size"] < older["size"]:
        raise Refused("CHECKPOINT_ROLLBACK", chain=older["chain"])
    same_head = newer["size"] > older["size"] or newer["head"] == older["head"]
    sizes = (older["size"], newer["size"])
    if not same_head or not consistent(*sizes, older["log"], newer["log"], path):
        raise Refused("CHECKPOINT_FORK", chain=older["chain"])


def verify_tensor(block, name, data, leaf_list=None):
    where = {"chain": "B", "height": block.header["height"], "tensor": name}
    tensor = next((t for t in block.body["tensors"] if t["name"] == name), None)
    if tensor is None:
        raise Refused("TENSOR_UNKNOWN", **where)
    if len(data) != tensor["byteLength"]:
        raise Refused("BYTE_LENGTH", **where)
    if leaf_list is None:
        if root_of(leaves_of(data)) != tensor["root"]:
            raise Refused("ROOT_MISMATCH", **where)
        return
    if len(leaf_list) != 32 * leaf_count(len(data)) or root_of(split(leaf_list)) != tensor["root"]:
        raise Refused("LEAF_LIST_MISMATCH", **where)
    for chunk, (leaf, expected) in enumerate(zip(leaves_of(data), split(leaf_list))):
        if leaf != expected:
            raise Refused("LEAF_MISMATCH", chunk=chunk, **where)


def verify_file(chains, file, data):
    models = [block for block in chains.blocks["A"] if block.header["type"] == "model"]
    block = next((b for b in models if any(entry is file for entry in b.body["files"])), None)
    if block is None:
        raise Refused("FILE_UNKNOWN", file=file["path"])
    where = {"chain": "A", "height": block.header["height"], "file": file["path"]}
    if len(data) != file["byteLength"]:
        raise Refused("BYTE_LENGTH", **where)
    if root_of(leaves_of(data)) != file["root"]:
        raise Refused("ROOT_MISMATCH", **where)
    if sha256(data) != file["sha256"]:
        raise Refused("FILE_HASH", **where)
