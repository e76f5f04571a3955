"""What a compiled module of XLA costs one device, read from its text: products and traffic.

XLA's own count of operations takes the body of a loop once; here it is taken as often as the loop
runs, where the compiler knows how often that is. Of the branches of a condition the one that sends
less is counted.
"""

from __future__ import annotations

import collections
import dataclasses
import math
import re

BYTES = {"pred": 1, "s8": 1, "u8": 1, "bf16": 2, "f16": 2, "s32": 4, "u32": 4, "f32": 4}
BYTES |= {"s64": 8, "u64": 8, "f64": 8, "c64": 8, "c128": 16}
COLLECTIVES = ("all-gather", "all-reduce", "reduce-scatter", "all-to-all", "collective-permute")
SHAPE = re.compile(r"(\w+)\[([\d,]*)\]")
INSTRUCTION = re.compile(r"^\s*(?:ROOT )?%?([\w.-]+) = (\(.*?\)|\S+) ([\w-]+)\((.*)$")
CALLED = re.compile(
    r"(?:body|calls|to_apply|true_computation|false_computation)=%?([\w.-]+)"
    r"|branch_computations=\{([^}]*)\}"
)


@dataclasses.dataclass
class Cost:
    """Of one device.

    Attributes:
        flops: of matrix products.
        sent: bytes, by the kind of exchange.
    """

    flops: float = 0.0
    sent: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)

    def add(self, other: Cost, times: int) -> None:
        """Another cost, so many times."""
        self.flops += times * other.flops
        for kind, size in other.sent.items():
            self.sent[kind] += times * size


def cost_of(text: str) -> Cost:
    """The cost of a module, from the text of its optimised form."""
    computations, entry = _computations(text)
    known: dict[str, Cost] = {}

    def total(name: str) -> Cost:
        if name not in known:
            known[name] = Cost()
            shapes = {i[0]: i[1] for i in computations[name]}
            for instruction in computations[name]:
                known[name].add(_own_cost(instruction, shapes), 1)
                _, _, kind, rest = instruction
                times = re.search(r'"known_trip_count":\{"n":"(\d+)"\}', rest)
                called = [
                    total(c)
                    for c in re.findall(r"[\w.-]+", " ".join(map("".join, CALLED.findall(rest))))
                ]
                if kind == "conditional":
                    called = [min(called, key=lambda cost: sum(cost.sent.values()))]
                for cost in called:
                    known[name].add(cost, int(times[1]) if kind == "while" and times else 1)
        return known[name]

    return total(entry)


Instruction = tuple[str, str, str, str]
"""Name, shape, kind, and the rest of the line."""


def _computations(text: str) -> tuple[dict[str, list[Instruction]], str]:
    """The instructions of every computation, and the name of the first one that runs."""
    found: dict[str, list[Instruction]] = {}
    entry = current = ""
    for line in text.splitlines():
        header = re.match(r"^(ENTRY )?%?([\w.-]+) \(.*\{\s*$", line)
        if header:
            current = header[2]
            found[current] = []
            entry = current if header[1] else entry
        elif current and (match := INSTRUCTION.match(line)):
            name, shape, kind, rest = match.groups()
            found[current].append((name, shape, kind, rest))
    return found, entry


def _own_cost(instruction: Instruction, shapes: dict[str, str]) -> Cost:
    _, shape, kind, rest = instruction
    cost = Cost()
    if kind == "dot":
        first = re.findall(r"%([\w.-]+)", rest)[0]
        sizes = _sizes(shapes[first])[0][1]
        axes = re.search(r"lhs_contracting_dims=\{([\d,]*)\}", rest)
        assert axes is not None
        contracted = math.prod(sizes[int(a)] for a in axes[1].split(",") if a)
        cost.flops = 2.0 * contracted * math.prod(_sizes(shape)[0][1])
    base = kind.removesuffix("-start")
    if base in COLLECTIVES:
        size = sum(BYTES[dtype] * math.prod(sizes) for dtype, sizes in _sizes(shape))
        cost.sent[base] = size * _share_sent(base, _group(rest))
    return cost


def _share_sent(kind: str, devices: int) -> float:
    """Bytes that a device sends, in units of the result on each device."""
    if kind == "collective-permute":
        return 1.0
    if kind == "reduce-scatter":
        return devices - 1.0
    return (2.0 if kind == "all-reduce" else 1.0) * (devices - 1.0) / devices


def _group(rest: str) -> int:
    """How many devices take part together."""
    if dealt := re.search(r"replica_groups=\[\d+,(\d+)\]", rest):
        return int(dealt[1])
    if listed := re.search(r"replica_groups=\{\{([\d,]+)\}", rest):
        return listed[1].count(",") + 1
    if named := re.search(r"replica_groups=mesh\[([^\]]*)\] \{([^}]*)\}", rest):
        sizes = {name: int(size) for name, size in re.findall(r"('\w+')=(\d+)", named[1])}
        return math.prod(sizes[name.strip()] for name in named[2].split(","))
    if "source_target_pairs" in rest:
        return 2
    raise ValueError(f"expected the groups of a collective as this JAX writes them, got {rest}")


def _sizes(shape: str) -> list[tuple[str, list[int]]]:
    return [(kind, [int(s) for s in sizes.split(",") if s]) for kind, sizes in SHAPE.findall(shape)]
