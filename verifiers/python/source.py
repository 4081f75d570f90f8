"""What a walk asks a main node for: docs/chain.md, "Verifying over HTTP". Every answer is a claim.

`fetch(path, max_bytes, range)` gives bytes or raises OSError or ValueError.
"""

import json
import re

import cbor
from block import MAX_BODY, MAX_HEADER, from_base64, has_fields, is_count
from refused import Refused

PAGE = 100
MAX_LEAVES = 1 << 20


class Source:
    """What is asked for over HTTP; every answer is a claim."""

    def __init__(self, fetch):
        self.fetch = fetch
        self.bytes = 0

    def get(self, path, bound, part=None):
        try:
            data = self.fetch(path, bound, part)
        except (OSError, ValueError) as error:
            raise Refused("SOURCE_FAILED", str(error), path=path) from error
        if len(data) > bound:
            raise Refused("SOURCE_FAILED", f"more than {bound} bytes", path=path)
        self.bytes += len(data)
        return data

    def json(self, path, bound, read):
        data = self.get(path, bound)
        try:
            return read(json.loads(data))
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise Refused("ANSWER_INVALID", str(error), path=path) from error

    def page(self, chain, start):
        path = f"/chain/{chain}/blocks?from={start}&limit={PAGE}&bodies=1"
        return self.json(path, 150 << 20, lambda answer: list(answer["blocks"]))

    def checkpoint(self, chain):
        path = f"/chain/{chain}/checkpoint"
        return self.json(path, 8192, lambda answer: from_base64(answer["bytes"]))

    def block(self, chain, value):
        path = f"/chain/{chain}/block/{value.hex()}?format=cbor"
        data = self.get(path, MAX_HEADER + MAX_BODY + 256)
        try:
            sealed = cbor.decode(data, MAX_HEADER + MAX_BODY + 256)
        except Refused:
            raise Refused("ANSWER_INVALID", path=path) from None
        if not has_fields(sealed, "header", "body", "signature"):
            raise Refused("ANSWER_INVALID", path=path)
        if not all(isinstance(part, bytes) for part in sealed.values()):
            raise Refused("ANSWER_INVALID", path=path)
        return sealed

    def header(self, chain, value):
        return self.get(f"/chain/{chain}/block/{value.hex()}?format=header", MAX_HEADER)

    def path(self, kind, **query):
        text = "&".join(f"{name}={value}" for name, value in query.items())
        return self.json(f"/proofs/{kind}?{text}", 16384, lambda a: [unhex(h) for h in a["path"]])

    def chunk_proof(self, root, index):
        def read(answer):
            if not is_count(answer["size"], 1, MAX_LEAVES):
                raise ValueError("expected a number of leaves")
            return unhex(answer["leaf"]), answer["size"], [unhex(h) for h in answer["path"]]

        return self.json(f"/proofs/chunk?root={root.hex()}&index={index}", 16384, read)

    def layer_of(self, root):
        path = f"/tensors/{root.hex()}"
        return self.json(path, 1 << 20, lambda answer: unhex(answer["uses"][0]["block"]))


def unhex(text):
    if not re.fullmatch("[0-9a-f]{64}", text):
        raise ValueError("expected a hash in hex")
    return bytes.fromhex(text)
