"""Ed25519 (RFC 8032) verification, strict and without the cofactor: docs/chain.md, "Blocks"."""

import functools
import hashlib

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
SQRT_MINUS_1 = pow(2, (P - 1) // 4, P)


def _add(a, b):
    """Extended coordinates (x, y, z, t) of RFC 8032, section 5.1.4."""
    e = (a[1] - a[0]) * (b[1] - b[0]) % P
    f = (a[1] + a[0]) * (b[1] + b[0]) % P
    g = 2 * a[3] * b[3] * D % P
    h = 2 * a[2] * b[2] % P
    x, y, z, t = f - e, h - g, h + g, f + e
    return (x * y % P, z * t % P, y * z % P, x * t % P)


def _multiply(scalar, point):
    result = (0, 1, 1, 0)
    while scalar:
        if scalar & 1:
            result = _add(result, point)
        point = _add(point, point)
        scalar >>= 1
    return result


def _encode(point):
    inverse = pow(point[2], P - 2, P)
    x, y = point[0] * inverse % P, point[1] * inverse % P
    return (y | (x & 1) << 255).to_bytes(32, "little")


def _decode(data):
    """The point, or None when there is none: section 5.1.3."""
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & (1 << 255) - 1
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if x * x % P != square:
        x = x * SQRT_MINUS_1 % P
    if x * x % P != square or (x == 0 and sign):
        return None
    return (x if x & 1 == sign else P - x, y, 1, (x if x & 1 == sign else P - x) * y % P)


_BASE_Y = 4 * pow(5, P - 2, P) % P
BASE = _decode(_BASE_Y.to_bytes(32, "little"))

# y of the points of order 1, 2, 4 and 8.
_SMALL_ORDER = {
    1,
    P - 1,
    0,
    int.from_bytes(
        bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"), "little"
    ),
    int.from_bytes(
        bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little"
    ),
}


def may_be_point(data):
    """y below p, and not one of a point of small order."""
    y = int.from_bytes(data, "little") & (1 << 255) - 1
    return len(data) == 32 and y < P and y not in _SMALL_ORDER


# 10 ms in plain Python, and the same blocks are met again and again.
@functools.lru_cache(maxsize=4096)
def verify(signature, message, public_key):
    if len(signature) != 64 or not may_be_point(public_key) or not may_be_point(signature[:32]):
        return False
    s = int.from_bytes(signature[32:], "little")
    a = _decode(public_key)
    if s >= L or a is None:
        return False
    digest = hashlib.sha512(signature[:32] + public_key + message).digest()
    k = int.from_bytes(digest, "little") % L
    minus_a = (P - a[0], a[1], 1, P - a[3])
    # Bytes are compared, not points times eight: the equation without the cofactor.
    return _encode(_add(_multiply(s, BASE), _multiply(k, minus_a))) == signature[:32]
