"""Headers, bodies and opening a block: docs/chain.md, "Blocks" and "Bodies"."""

import base64
import re
import unicodedata

import cbor
import ed25519
from merkle import LEAF_SIZE, sha256
from refused import Refused

MAX_HEADER, MAX_BODY, MAX_HEIGHT = 1024, 1 << 20, 2**31 - 1
MAX_COUNT = 2**53 - 1
MAX_BLOB = 2**40
TYPES = {
    "A": ("genesis", "model", "authority", "retire"),
    "B": ("genesis", "layer"),
    "L": ("genesis",),
}
HEADER_FIELDS = "v chain height prev time type body bodyLength anchor log author".split()
WEIGHT_BYTES = {"f32": 4, "f16": 2, "bf16": 2}


class Block:
    def __init__(self, header_bytes, body_bytes, signature, value, header, body):
        self.header_bytes, self.body_bytes, self.signature = header_bytes, body_bytes, signature
        self.hash, self.header, self.body = value, header, body

    @property
    def where(self):
        return {
            "chain": self.header["chain"],
            "height": self.header["height"],
            "hash": self.hash.hex(),
        }


def block_hash(header_bytes):
    return sha256(b"blyan/v1/block\x00", header_bytes)


def body_hash(body_bytes):
    return sha256(b"blyan/v1/body\x00", body_bytes)


def is_hash(value):
    return isinstance(value, bytes) and len(value) == 32


def is_count(value, least=0, most=MAX_COUNT):
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def units(text):
    """UTF-16 units, as lengths are counted in."""
    return len(text.encode("utf-16-le")) // 2


def no_controls(text):
    return all(unicodedata.category(character) != "Cc" for character in text)


def is_name(value):
    return isinstance(value, str) and 1 <= units(value) <= 256 and no_controls(value)


def is_path(value):
    if not isinstance(value, str) or not 1 <= units(value) <= 512:
        return False
    parts = value.split("/")
    return no_controls(value) and "\\" not in value and not {"", ".", ".."} & set(parts)


def has_fields(value, *names):
    return isinstance(value, dict) and set(value) == set(names)


def is_list(value, least, most, test, key=None):
    if not isinstance(value, list) or not least <= len(value) <= most:
        return False
    if not all(test(item) for item in value):
        return False
    return key is None or len({key(item) for item in value}) == len(value)


def is_recipe(value):
    return has_fields(value, "name", "version") and is_name(value["name"]) and is_count(
        value["version"], 1
    )


def is_file(value, *more, most=MAX_COUNT):
    return (
        has_fields(value, "path", "byteLength", "sha256", *more)
        and is_path(value["path"])
        and is_count(value["byteLength"], 0, most)
        and is_hash(value["sha256"])
        and all(is_hash(value[name]) for name in more)
    )


def is_stored_file(value):
    return is_file(value, "root", most=MAX_BLOB)


def is_group(value):
    return isinstance(value, str) and bool(
        re.fullmatch(r"embedding|norm|head|layer\.(0|[1-9][0-9]{0,3})", value)
    )


def is_range(value, *more):
    return (
        has_fields(value, "file", "offset", "length", "root", *more)
        and is_hash(value["file"])
        and is_count(value["offset"])
        and is_count(value["length"], 1)
        and is_hash(value["root"])
    )


def is_tensor(value):
    fields = "name role dtype shape format byteLength leafSize root source recipe".split()
    if not has_fields(value, *fields):
        return False
    if not (is_name(value["name"]) and is_name(value["role"]) and is_recipe(value["recipe"])):
        return False
    dtypes, formats = ("f32", "f16", "bf16", "fp8"), ("f32", "f16", "bf16", "fp8", "q8", "q4", "nf4")
    if value["dtype"] not in dtypes or value["format"] not in formats:
        return False
    if not is_list(value["shape"], 0, 8, lambda size: is_count(size, 1)):
        return False
    if not is_count(value["byteLength"], 1, MAX_BLOB) or value["leafSize"] != LEAF_SIZE:
        return False
    width = WEIGHT_BYTES.get(value["format"])
    weights = 1
    for size in value["shape"]:
        weights *= size
    if width and value["byteLength"] != width * weights:
        return False
    source = value["source"]
    if value["dtype"] != "fp8":
        return is_hash(value["root"]) and is_range(source)
    return is_hash(value["root"]) and is_range(source, "scales") and is_range(source["scales"])


def is_source(value):
    return (
        has_fields(value, "repository", "revision", "files")
        and all(value[name] is None or is_name(value[name]) for name in ("repository", "revision"))
        and is_list(value["files"], 1, 2048, is_file, lambda file: file["path"])
    )


def is_model(value):
    fields = "name family parameters files layers recipe source".split()
    return (
        has_fields(value, *fields)
        and is_name(value["name"])
        and is_name(value["family"])
        and is_count(value["parameters"], 1)
        and is_list(value["files"], 1, 64, is_stored_file, lambda file: file["path"])
        and is_list(
            value["layers"],
            1,
            4096,
            lambda l: has_fields(l, "group", "block") and is_group(l["group"]) and is_hash(l["block"]),
            lambda layer: layer["group"],
        )
        and is_recipe(value["recipe"])
        and is_source(value["source"])
    )


def is_network(value):
    return isinstance(value, str) and bool(re.fullmatch(r"[a-z0-9][a-z0-9-]{0,62}", value))


def is_genesis(value, chain):
    if chain == "A":
        return (
            has_fields(value, "network", "authorities")
            and is_network(value["network"])
            and is_list(value["authorities"], 1, 64, is_hash, lambda key: key)
        )
    return has_fields(value, "network", "root") and is_network(value["network"]) and is_hash(
        value["root"]
    )


def is_body(kind, value, chain):
    if kind == "genesis":
        return is_genesis(value, chain)
    if kind == "authority":
        return (
            has_fields(value, "action", "key")
            and value["action"] in ("add", "remove")
            and is_hash(value["key"])
        )
    if kind == "retire":
        return has_fields(value, "model", "reason") and is_hash(value["model"]) and is_name(
            value["reason"]
        )
    if kind == "model":
        return is_model(value)
    return (
        has_fields(value, "group", "tensors")
        and is_group(value["group"])
        and is_list(value["tensors"], 1, 1024, is_tensor, lambda tensor: tensor["name"])
    )


def is_header(value):
    return (
        has_fields(value, *HEADER_FIELDS)
        and is_count(value["v"], 1, 1)
        and value["chain"] in ("A", "B", "L")
        and is_count(value["height"], 0, MAX_HEIGHT)
        and (value["prev"] is None or is_hash(value["prev"]))
        and is_count(value["time"])
        and value["type"] in ("genesis", "model", "authority", "retire", "layer", "epoch")
        and is_hash(value["body"])
        and is_count(value["bodyLength"], 0, MAX_BODY)
        and (value["anchor"] is None or is_hash(value["anchor"]))
        and is_hash(value["log"])
        and is_hash(value["author"])
        and (value["height"] == 0) == (value["prev"] is None)
        and (value["height"] == 0) == (value["type"] == "genesis")
        and (value["chain"] == "A") == (value["anchor"] is None)
    )


def decode_header(header_bytes):
    header = cbor.decode(header_bytes, MAX_HEADER)
    if not is_header(header):
        raise Refused("HEADER_INVALID")
    if header["type"] not in TYPES[header["chain"]]:
        raise Refused("BLOCK_TYPE", chain=header["chain"], height=header["height"])
    return header


def open_header(header_bytes, expected=None):
    """Hash and header. Nothing is decoded before its bound and its hash are right."""
    if len(header_bytes) > MAX_HEADER:
        raise Refused("HEADER_TOO_LARGE", bytes=len(header_bytes))
    value = block_hash(header_bytes)
    if expected is not None and value != expected:
        raise Refused("HASH_MISMATCH", hash=value.hex(), expected=expected.hex())
    return value, decode_header(header_bytes)


def open_block(header_bytes, body_bytes, signature, expected=None):
    if len(header_bytes) > MAX_HEADER:
        raise Refused("HEADER_TOO_LARGE", bytes=len(header_bytes))
    if len(body_bytes) > MAX_BODY:
        raise Refused("BODY_TOO_LARGE", bytes=len(body_bytes))
    value, header = open_header(header_bytes, expected)
    where = {"chain": header["chain"], "height": header["height"], "hash": value.hex()}
    if len(body_bytes) != header["bodyLength"]:
        raise Refused("BODY_LENGTH", **where)
    if body_hash(body_bytes) != header["body"]:
        raise Refused("BODY_HASH", **where)
    if not ed25519.verify(signature, value, header["author"]):
        raise Refused("SIGNATURE_INVALID", author=header["author"].hex(), **where)
    try:
        body = cbor.decode(body_bytes, MAX_BODY)
    except Refused as refused:
        raise Refused(refused.code, refused.reason, **where) from None
    if not is_body(header["type"], body, header["chain"]):
        raise Refused("BODY_INVALID", **where)
    return Block(header_bytes, body_bytes, signature, value, header, body)


def from_base64(text):
    data = base64.b64decode(text, validate=True)
    if base64.b64encode(data).decode() != text:
        raise ValueError("not the canonical form")
    return data


def from_wire(wire):
    """A block out of JSON: docs/chain.md, "JSON of a block"."""
    try:
        if not has_fields(wire, *"chain height hash headerBytes bodyBytes signature".split()):
            raise ValueError
        if wire["chain"] not in ("A", "B", "L") or not is_count(wire["height"], 0, MAX_HEIGHT):
            raise ValueError
        if not re.fullmatch("[0-9a-f]{64}", wire["hash"]):
            raise ValueError
        if not re.fullmatch("[0-9a-f]{128}", wire["signature"]):
            raise ValueError
        # 4 characters for every 3 bytes of the bounds.
        if len(wire["headerBytes"]) > 1368 or len(wire["bodyBytes"]) > 1398104:
            raise ValueError
        header, body = from_base64(wire["headerBytes"]), from_base64(wire["bodyBytes"])
    except (TypeError, ValueError):
        raise Refused("WIRE_INVALID") from None
    expected = bytes.fromhex(wire["hash"])
    block = open_block(header, body, bytes.fromhex(wire["signature"]), expected)
    if block.header["chain"] != wire["chain"] or block.header["height"] != wire["height"]:
        raise Refused("WIRE_INVALID", "not the chain and height it names", **block.where)
    return block
