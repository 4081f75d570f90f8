"""The subset of DAG-CBOR in docs/chain.md, "Encoding": one value has one encoding."""

from refused import Refused

MAX_INTEGER = 2**53 - 1
MAX_DEPTH = 8


def _head(major, argument):
    top = major << 5
    if argument < 24:
        return bytes([top | argument])
    for info, width in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if argument < 1 << (8 * width):
            return bytes([top | info]) + argument.to_bytes(width, "big")
    raise ValueError("an integer of more than 64 bits")


def encode(value):
    if value is None:
        return b"\xf6"
    if value is True:
        return b"\xf5"
    if value is False:
        return b"\xf4"
    if isinstance(value, int):
        if abs(value) > MAX_INTEGER:
            raise ValueError("an integer of more than 53 bits")
        return _head(0, value) if value >= 0 else _head(1, -1 - value)
    if isinstance(value, bytes):
        return _head(2, len(value)) + value
    if isinstance(value, str):
        text = value.encode("utf-8")
        return _head(3, len(text)) + text
    if isinstance(value, list):
        return _head(4, len(value)) + b"".join(encode(item) for item in value)
    if isinstance(value, dict):
        pairs = sorted(
            ((key.encode("utf-8"), item) for key, item in value.items()),
            key=lambda pair: (len(pair[0]), pair[0]),
        )
        parts = [_head(3, len(key)) + key + encode(item) for key, item in pairs]
        return _head(5, len(pairs)) + b"".join(parts)
    raise ValueError(f"cannot be encoded: {type(value).__name__}")


def decode(data, bound):
    """The one value that `data` encodes; Refused CODEC_INVALID for every other form."""
    if len(data) > bound:
        raise Refused("CODEC_INVALID", f"{len(data)} bytes, the bound is {bound}")
    value, at = _value(data, 0, 0)
    if at != len(data):
        raise Refused("CODEC_INVALID", "bytes behind the value")
    return value


def _argument(data, at):
    info = data[at] & 31
    at += 1
    if info < 24:
        return info, at
    if info > 27:
        raise Refused("CODEC_INVALID", "an indefinite or reserved length")
    width = 1 << (info - 24)
    if at + width > len(data):
        raise Refused("CODEC_INVALID", "ends in the middle of a value")
    argument = int.from_bytes(data[at : at + width], "big")
    if argument < (24 if width == 1 else 1 << (4 * width)):
        raise Refused("CODEC_INVALID", "not the shortest form")
    if argument > MAX_INTEGER:
        raise Refused("CODEC_INVALID", "an integer of more than 53 bits")
    return argument, at + width


def _take(data, at, length):
    if at + length > len(data):
        raise Refused("CODEC_INVALID", "ends in the middle of a string")
    return data[at : at + length], at + length


def _text(data, at, length):
    raw, at = _take(data, at, length)
    try:
        return raw.decode("utf-8"), raw, at
    except UnicodeDecodeError:
        raise Refused("CODEC_INVALID", "text that is not UTF-8") from None


def _value(data, at, depth):
    if depth > MAX_DEPTH:
        raise Refused("CODEC_INVALID", f"deeper than {MAX_DEPTH} levels")
    if at >= len(data):
        raise Refused("CODEC_INVALID", "ends in the middle of a value")
    simple = {0xF4: False, 0xF5: True, 0xF6: None}
    if data[at] in simple:
        return simple[data[at]], at + 1
    major = data[at] >> 5
    if major > 5:
        raise Refused("CODEC_INVALID", "a tag, a float or a simple value")
    argument, at = _argument(data, at)
    if major == 0:
        return argument, at
    if major == 1:
        if argument == MAX_INTEGER:
            raise Refused("CODEC_INVALID", "an integer of more than 53 bits")
        return -1 - argument, at
    if major == 2:
        return _take(data, at, argument)
    if major == 3:
        text, _, at = _text(data, at, argument)
        return text, at
    if argument > len(data) - at:
        raise Refused("CODEC_INVALID", "more items than bytes")
    if major == 4:
        items = []
        for _ in range(argument):
            item, at = _value(data, at, depth + 1)
            items.append(item)
        return items, at
    result, previous = {}, None
    for _ in range(argument):
        if at >= len(data) or data[at] >> 5 != 3:
            raise Refused("CODEC_INVALID", "a map key that is not text")
        length, at = _argument(data, at)
        key, raw, at = _text(data, at, length)
        if previous is not None and (len(previous), previous) >= (len(raw), raw):
            raise Refused("CODEC_INVALID", "map keys out of order or twice")
        previous = raw
        result[key], at = _value(data, at, depth + 1)
    return result, at
