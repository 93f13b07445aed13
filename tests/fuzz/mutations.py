"""Files that once were good: bytes flipped, cut, doubled, spliced, numbers made huge; and JSON of the wrong shape."""

import copy
import json
import struct
from typing import Any

from hypothesis import strategies as st

SPECIAL = [0, 1, 0x7F, 0x80, 0xFF]
EXTREME: list[Any] = [
    None, True, "", "../../etc/passwd", "\0", "x" * 3000, -1, 0, 1, 2**31, 2**63, 10**400, -(10**400), 1e308, -1e308,
    5e-324, [], {}, [[]], {"": None},
]  # fmt: skip


@st.composite
def damaged(draw: st.DrawFn, good: bytes) -> bytes:
    """A good file with up to six injuries."""
    data = bytearray(good)
    for _ in range(draw(st.integers(1, 6))):
        if not data:
            break
        at = draw(st.integers(0, len(data) - 1))
        match draw(st.integers(0, 6)):
            case 0:
                data[at] ^= 1 << draw(st.integers(0, 7))
            case 1:
                data[at] = draw(st.sampled_from(SPECIAL))
            case 2:
                del data[at:]
            case 3:
                del data[at : at + draw(st.integers(1, 64))]
            case 4:
                data[at:at] = data[at : at + draw(st.integers(1, 200))]
            case 5:
                data[at:at] = draw(st.binary(max_size=40))
            case _:
                size = draw(st.sampled_from([2, 4, 8]))
                number = draw(st.sampled_from([0, 1, 2**15, 2 ** (8 * size - 1) - 1, 2 ** (8 * size) - 1]))
                order = draw(st.sampled_from("<>"))
                data[at : at + size] = struct.pack(order + {2: "H", 4: "I", 8: "Q"}[size], number % 2 ** (8 * size))
    return bytes(data)


@st.composite
def reshaped(draw: st.DrawFn, good: Any) -> bytes:
    """A JSON document in which up to four values, anywhere, are another or gone."""
    document = json.loads(json.dumps(good))
    for _ in range(draw(st.integers(1, 4))):
        where, parent = document, None
        key: Any = None
        while isinstance(where, dict | list) and where and (parent is None or draw(st.integers(0, 3)) > 0):
            keys = list(where) if isinstance(where, dict) else list(range(len(where)))
            parent, key = where, draw(st.sampled_from(keys))
            where = where[key]
        if parent is None:
            document = draw(st.sampled_from(EXTREME))
            break
        if draw(st.integers(0, 4)) == 0:
            del parent[key]
        else:
            parent[key] = copy.deepcopy(draw(st.sampled_from(EXTREME)))  # the next injury may be to it
    text = json.dumps(document)
    if draw(st.integers(0, 9)) == 0:
        text = text.replace("1", draw(st.sampled_from(["NaN", "Infinity", "1e999", "-"])), 1)
    return text.encode()
