"""Small damages, drawn from a seeded generator: to bytes, text, XML, JSON values and arrays. See fuzz.py."""

from __future__ import annotations

import copy
import io
import random
import xml.etree.ElementTree as ET
from collections.abc import Callable
from typing import Any

import numpy as np

NUMBERS = [
    "0",
    "-1",
    "1",
    "0.5",
    "-0.0",
    "1e308",
    "-1e308",
    "1e-308",
    "nan",
    "inf",
    "-inf",
    "99999999999999999999",
    "007",
]
WORDS = [
    "",
    " ",
    "true",
    "null",
    "free",
    "world",
    "..",
    "/",
    "é",
    "\u202e",
    "x" * 5000,
    "a b",
    "%s",
    "{}",
    "'",
    '"',
    "\\",
]
VALUES: list[Any] = [
    None,
    True,
    False,
    0,
    -1,
    10**30,
    0.5,
    1e308,
    "",
    "x",
    "é" * 100,
    [],
    [[]],
    {},
    {"x": None},
    [1, 2, 3],
]


def damaged_bytes(rng: random.Random, data: bytes) -> bytes:
    """Bits turned, pieces cut, doubled or overwritten; sometimes the end is missing."""
    content = bytearray(data)
    for _ in range(rng.choice([1, 1, 2, 5])):
        at, size = rng.randrange(len(content) + 1), rng.choice([1, 4, 64, 1024])
        what = rng.randrange(6)
        if what == 0 and at < len(content):
            content[at] ^= 1 << rng.randrange(8)
        elif what == 1:
            content[at : at + size] = rng.randbytes(size)
        elif what == 2:
            del content[at : at + size]
        elif what == 3:
            content[at:at] = content[at : at + size]
        elif what == 4:
            content[at : at + 4] = rng.choice([b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff", b"\0\0\0\1"])
        else:
            del content[at:]
    return bytes(content)


def damaged_text(rng: random.Random, text: str) -> str:
    """Lines and words exchanged, doubled, dropped or replaced; sometimes bytes."""
    if rng.random() < 0.2:
        return damaged_bytes(rng, text.encode()).decode("utf-8", "replace")
    lines = text.split("\n")
    for _ in range(rng.choice([1, 1, 2, 4])):
        at = rng.randrange(len(lines))
        what = rng.randrange(5)
        if what == 0:
            lines.insert(at, lines[rng.randrange(len(lines))])
        elif what == 1 and len(lines) > 1:
            del lines[at]
        elif what == 2:
            lines.insert(at, rng.choice(NUMBERS + WORDS))
        else:
            words = lines[at].split(" ")
            words[rng.randrange(len(words))] = rng.choice(NUMBERS + WORDS)
            lines[at] = " ".join(words)
    return "\n".join(lines)


def damaged_xml(rng: random.Random, text: str) -> str:
    """Elements dropped, doubled, renamed or moved, attributes changed; sometimes the text itself."""
    if rng.random() < 0.15:
        return damaged_text(rng, text)
    root = ET.fromstring(text)
    for _ in range(rng.choice([1, 1, 1, 2, 4])):
        parents = [element for element in root.iter() if len(element)]
        parent = rng.choice(parents) if parents else root
        if not len(parent):
            break
        child = rng.choice(list(parent))
        what = rng.randrange(7)
        if what == 0:
            parent.remove(child)
        elif what == 1:
            parent.append(copy.deepcopy(child))
        elif what == 2:
            rng.choice(list(root.iter())).append(copy.deepcopy(child))
        elif what == 3:
            child.tag = rng.choice([element.tag for element in root.iter()])
        else:
            _damage_attribute(rng, root, child)
    return ET.tostring(root, encoding="unicode")


def _damage_attribute(rng: random.Random, root: ET.Element, element: ET.Element) -> None:
    if not element.attrib:
        element.set(rng.choice(["name", "pos", "range", "mesh", "class"]), rng.choice(WORDS[:10] + NUMBERS))
        return
    name = rng.choice(list(element.attrib))
    words = element.attrib[name].split()
    what = rng.randrange(4)
    if what == 0:
        del element.attrib[name]
    elif what == 1 and words:
        words[rng.randrange(len(words))] = rng.choice(NUMBERS)
        element.set(name, " ".join(words))
    elif what == 2:
        element.set(name, rng.choice(NUMBERS + [word for word in WORDS if len(word) < 100]))
    else:  # what another element has, such as its name
        others = [other.attrib[name] for other in root.iter() if name in other.attrib]
        element.set(name, rng.choice(others))


def damaged_json(rng: random.Random, value: Any) -> Any:
    """A copy with one value of the tree replaced, cut, or dropped."""
    value = copy.deepcopy(value)
    places: list[tuple[Any, Any]] = []

    def walk(node: Any) -> None:
        items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
        for key, below in list(items):
            places.append((node, key))
            walk(below)

    walk(value)
    if not places or rng.random() < 0.1:
        return rng.choice(VALUES)
    node, key = rng.choice(places)
    what = rng.randrange(3)
    if what == 0:
        del node[key]
    elif what == 1 and isinstance(node[key], str) and node[key]:
        node[key] = node[key][: rng.randrange(len(node[key]))]  # never another host
    else:
        node[key] = rng.choice(VALUES)
    return value


def damaged_arrays(rng: random.Random, arrays: dict[str, Any]) -> dict[str, Any]:
    """Arrays dropped, renamed, of another type or shape, or with other numbers in them."""
    arrays = dict(arrays)
    changes: list[Callable[[Any], Any]] = [
        lambda a: a[:0],
        lambda a: a[: max(len(a) // 2, 1)],
        lambda a: np.concatenate([a, a]),
        lambda a: a[None],
        lambda a: a.T,
        lambda a: a.ravel(),
        lambda a: a.astype(rng.choice(["float16", "float64", "int64", "uint8", "bool", "complex128"])),
        lambda a: a.astype(str),
        lambda a: np.full(a.shape, rng.choice([np.nan, np.inf, -np.inf, 1e300, 0.0])),
        lambda a: np.where(np.random.default_rng(rng.randrange(2**32)).random(a.shape) < 0.1, np.nan, a),
        lambda a: np.array(rng.choice([0, -1, 1e9, np.nan, "x"])),
        lambda a: np.zeros(rng.choice([(), (0,), (3,), (2, 2), (1, 0, 3)])),
    ]
    for _ in range(rng.choice([1, 1, 2])):
        name = rng.choice(list(arrays))
        what = rng.random()
        if what < 0.15 and len(arrays) > 1:
            del arrays[name]
        elif what < 0.25:
            arrays[name + rng.choice(["s", "_", " "])] = arrays.pop(name)
        else:
            try:
                arrays[name] = rng.choice(changes)(np.asarray(arrays[name]))
            except (ValueError, TypeError, IndexError):
                arrays[name] = np.zeros(1)
    return arrays


def npz(arrays: dict[str, Any]) -> bytes:
    """The bytes of a compressed npz."""
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def damaged_npz(rng: random.Random, data: bytes) -> bytes:
    """Other arrays, or other bytes."""
    if rng.random() < 0.35:
        return damaged_bytes(rng, data)
    with np.load(io.BytesIO(data)) as file:
        return npz(damaged_arrays(rng, {name: file[name] for name in file.files}))
