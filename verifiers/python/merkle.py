"""Trees of RFC 6962 and their proofs (RFC 9162, section 2.1): docs/chain.md, "Merkle trees"."""

import hashlib

LEAF_SIZE = 1 << 20


def sha256(*parts):
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.digest()


def leaf_hash(data):
    return sha256(b"\x00", data)


def node_hash(left, right):
    return sha256(b"\x01", left, right)


class Log:
    """A tree that grows: the roots of its perfect subtrees, largest first."""

    def __init__(self):
        self.size = 0
        self.roots = []

    def append(self, leaf):
        size = self.size
        while size & 1:
            leaf = node_hash(self.roots.pop(), leaf)
            size >>= 1
        self.roots.append(leaf)
        self.size += 1

    def root(self):
        if not self.roots:
            return sha256()
        result = self.roots[-1]
        for left in reversed(self.roots[:-1]):
            result = node_hash(left, result)
        return result


def root_of(leaves):
    log = Log()
    for leaf in leaves:
        log.append(leaf)
    return log.root()


def split(leaf_list):
    return [leaf_list[i : i + 32] for i in range(0, len(leaf_list), 32)]


def leaf_count(byte_length):
    return max(1, -(-byte_length // LEAF_SIZE))


def leaves_of(data):
    return [
        leaf_hash(data[i * LEAF_SIZE : (i + 1) * LEAF_SIZE]) for i in range(leaf_count(len(data)))
    ]


def included(leaf, index, size, path, root):
    """RFC 9162, section 2.1.3.2."""
    if not 0 <= index < size:
        return False
    position, last, value = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            return False
        if position & 1 or position == last:
            value = node_hash(sibling, value)
            while not position & 1 and position:
                position >>= 1
                last >>= 1
        else:
            value = node_hash(value, sibling)
        position >>= 1
        last >>= 1
    return last == 0 and value == root


def consistent(old_size, new_size, old_root, new_root, path):
    """RFC 9162, section 2.1.4.2; an empty old tree goes with every tree, by an empty proof."""
    if old_size > new_size:
        return False
    if old_size == 0:
        return not path and old_root == sha256()
    if old_size == new_size:
        return not path and old_root == new_root
    path = list(path)
    if old_size & (old_size - 1) == 0:
        path.insert(0, old_root)
    if not path:
        return False
    position, last = old_size - 1, new_size - 1
    while position & 1:
        position >>= 1
        last >>= 1
    old = new = path.pop(0)
    for node in path:
        if last == 0:
            return False
        if position & 1 or position == last:
            old, new = node_hash(node, old), node_hash(node, new)
            while not position & 1 and position:
                position >>= 1
                last >>= 1
        else:
            new = node_hash(new, node)
        position >>= 1
        last >>= 1
    return last == 0 and old == old_root and new == new_root
