"""What is compiled for pair counts on CPUs: numba's loops behind :mod:`.columns`.

A point is compared with a run of the points of a column at once, in loops that LLVM makes vector
instructions of. The pairs that are in a bin are gathered, and their bins found together: the
leading bits of the squared separation are an address in a table of edges, as in
:mod:`galgen.statistics.digitizing`. Programs are kept on disk, by numba, for the next process.
"""

import inspect
import math

import numba
import numpy as np

SPAN = 512
"""Points that one is compared with at once."""
ROOM = 2048
"""Pairs gathered before they are added to their bins."""
BLOCK = 8
"""Every column ends with as many points at no distance of interest: runs are whole blocks."""
FAR = 1e150
LANES = 4
"""Sums of each bin, used by turns: none waits for the one before it."""
COUNTS, PRODUCT, REGIONS, VELOCITY = range(4)
"""What is summed."""
SEPARATION, ANGLE, PROJECTED = range(3)
"""What the bins are of."""


def _compiled(function):
    """``function`` compiled at its first call, without the checks of shapes that tests add."""
    function = inspect.unwrap(function)
    try:
        return numba.njit(cache=True, nogil=True, error_model="numpy")(function)
    except RuntimeError:  # there is no folder to keep it in that may be written
        return numba.njit(nogil=True, error_model="numpy")(function)


@_compiled
def fill_columns(points, attributes, low, size, numbers):
    """Points sorted into cells, those of a column one after another.

    Returns:
        ``(columns * (cells + 1) + 1,)`` where each cell starts, the last one of a column being its
        padding, and ``(3 + attributes, slots)`` of the points.
    """
    nx, ny, nz = numbers
    cells = np.empty(len(points), np.int64)
    first = np.zeros(nx * ny * (nz + 1) + 1, np.int64)
    for i in range(len(points)):
        a = min(max(int((points[i, 0] - low[0]) / size[0]), 0), nx - 1)
        b = min(max(int((points[i, 1] - low[1]) / size[1]), 0), ny - 1)
        c = min(max(int((points[i, 2] - low[2]) / size[2]), 0), nz - 1)
        cells[i] = (a * ny + b) * (nz + 1) + c
        first[cells[i] + 1] += 1
    for column in range(1, nx * ny + 1):
        first[column * (nz + 1)] += BLOCK
    for cell in range(len(first) - 1):
        first[cell + 1] += first[cell]
    content = np.zeros((3 + attributes.shape[1], first[-1]))
    content[:3] = FAR
    place = first[:-1].copy()
    for i in range(len(points)):
        slot = place[cells[i]]
        place[cells[i]] += 1
        for axis in range(3):
            content[axis, slot] = points[i, axis]
        for column in range(attributes.shape[1]):
            content[3 + column, slot] = attributes[i, column]
    return first, content


@_compiled
def _compare(point, others, begin, number, shift, kind, midpoint, squares, lengths):
    """What the bins look up, squared, and pi, of a point and a run of others."""
    x, y, z = point
    sx, sy, sz = shift
    x2, y2, z2 = others[0], others[1], others[2]
    if midpoint:
        for k in range(number):
            mx, my, mz = x2[begin + k] + x, y2[begin + k] + y, z2[begin + k] + z
            dx = (x2[begin + k] - x) + sx
            dy = (y2[begin + k] - y) + sy
            dz = (z2[begin + k] - z) + sz
            length = mx * mx + my * my + mz * mz
            dot = abs(dx * mx + dy * my + dz * mz)
            pi = dot / math.sqrt(length if length > 0 else 1.0)
            square = dx * dx + dy * dy + dz * dz
            squares[k] = max(square - pi * pi, 0.0) if kind == PROJECTED else square
            lengths[k] = pi
    else:
        for k in range(number):
            dx = (x2[begin + k] - x) + sx
            dy = (y2[begin + k] - y) + sy
            dz = (z2[begin + k] - z) + sz
            square = dx * dx + dy * dy
            squares[k] = square if kind == PROJECTED else square + dz * dz
            lengths[k] = abs(dz)


@_compiled
def _value(quantity, content, slot, others, j, shift):
    """The number that a pair adds."""
    if quantity != VELOCITY:
        return content[3, slot] * others[3, j]
    dx = (others[0, j] - content[0, slot]) + shift[0]
    dy = (others[1, j] - content[1, slot]) + shift[1]
    dz = (others[2, j] - content[2, slot]) + shift[2]
    square = dx * dx + dy * dy + dz * dz
    motion = (others[3, j] - content[3, slot]) * dx
    motion += (others[4, j] - content[4, slot]) * dy
    motion += (others[5, j] - content[5, slot]) * dz
    return motion / math.sqrt(square if square > 0 else 1.0)


@_compiled
def _add(
    gathered, kind, quantity, squares, lengths, values, regions, index, edges, table, address,
    even, top, width, counts, sums,
):  # fmt: skip
    """Find the bins of the pairs that were gathered, and add them."""
    shift, lowest, steps = address
    bits = squares.view(np.int64)
    last = len(table) - 1
    for k in range(gathered):
        index[k] = table[min(max((bits[k] >> shift) - lowest, 0), last)]
    for _ in range(steps):
        for k in range(gathered):
            index[k] += np.int32(squares[k] >= edges[index[k] + 1])
    if kind != SEPARATION:
        scale = even / top
        for k in range(gathered):
            value = lengths[k]
            if kind == ANGLE:
                value /= math.sqrt(squares[k] if squares[k] > 0 else 1.0)
            step = np.int32(value * scale)
            step += np.int32(value >= (step + 1) * width) - np.int32(value < step * width)
            index[k] = index[k] * even + min(step, even - 1)
    if quantity == COUNTS:
        for k in range(gathered):
            counts[index[k], k % LANES] += 1
    elif quantity == PRODUCT:
        for k in range(gathered):
            sums[index[k], k % LANES] += values[k]
    elif quantity == VELOCITY:
        second = len(sums) // 2
        for k in range(gathered):
            sums[index[k], k % LANES] += values[k]
            sums[second + index[k], k % LANES] += values[k] * values[k]
    else:
        parts = len(sums) // ((len(edges) - 2) * even)
        for k in range(gathered):
            start, one, other = index[k] * parts, regions[0, k], regions[1, k]
            sums[start + parts - 1, k % LANES] += values[k]
            sums[start + one, k % LANES] += values[k]
            if one != other:
                sums[start + other, k % LANES] += values[k]


@_compiled
def _gap(x, cell, offset, low, size):
    """How far a point is from a cell that lies so many cells from its own, along one axis."""
    if offset > 0:
        return max(low + (cell + offset) * size - x, 0.0)
    if offset < 0:
        return max(x - (low + (cell + offset + 1) * size), 0.0)
    return 0.0


@_compiled
def add_columns(
    columns, numbers, low, size, sides, reach, depth, first, content, starts, others, own,
    kind, midpoint, quantity, edges, table, address, even, top, width, deepest, counts, sums,
):  # fmt: skip
    """Add the pairs of the points of some columns with those of all columns of ``others``.

    Args:
        columns: from which to which.
        numbers, low, size: of the cells along each axis, where they begin, and their sides.
        sides: of the periodic box; zeros for an open one.
        reach, depth: across the columns and along them, a little more than the bins'.
        first, content, starts, others: both catalogues by :func:`fill_columns`.
        own: they are one; then pairs come once.
        kind, midpoint, quantity: what the bins are of, whether the line of sight is that to the
            middle of a pair (else it is the third axis), and what is summed.
        edges: squared, and one at infinity.
        table, address: of squares: how many bits are left out, the first entry, and how many edges
            share one at most.
        even, top, width: bins of mu or pi, their end, and where each reaches the next.
        deepest: what pi must be below.
        counts, sums: ``(places, LANES)``, one of which is added to.
    """
    nx, ny, nz = numbers
    periodic = sides[0] > 0
    rows = len(edges) - 2
    nearest, farthest = edges[0], edges[rows]
    upright = kind == PROJECTED and not midpoint
    mx, my = int(reach / size[0]) + 1, int(reach / size[1]) + 1
    if not periodic:
        mx, my = min(mx, nx - 1), min(my, ny - 1)
    tested, pi, chosen = np.empty(SPAN), np.empty(SPAN), np.empty(SPAN, np.int32)
    room = ROOM + SPAN
    squares, lengths, values = np.empty(room), np.empty(room), np.empty(room)
    regions, index = np.empty((2, room), np.int32), np.empty(room, np.int32)
    gathered = 0
    for column in range(columns[0], columns[1]):
        ca, cb = column // ny, column % ny
        base = column * (nz + 1)
        for slot in range(first[base], first[base + nz]):
            x, y, z = content[0, slot], content[1, slot], content[2, slot]
            cell = min(max(int((z - low[2]) / size[2]), 0), nz - 1)
            for ox in range(0 if own else -mx, mx + 1):
                gap = _gap(x, ca, ox, low[0], size[0])
                left = reach * reach - gap * gap
                if left < 0 or not (periodic or 0 <= ca + ox < nx):
                    continue
                over = (ca + ox) // nx
                na, sx = ca + ox - over * nx, over * sides[0]
                for oy in range(0 if own and ox == 0 else -my, my + 1):
                    gap = _gap(y, cb, oy, low[1], size[1])
                    if left < gap * gap or not (periodic or 0 <= cb + oy < ny):
                        continue
                    over = (cb + oy) // ny
                    nb, sy = cb + oy - over * ny, over * sides[1]
                    far = depth if upright else math.sqrt(left - gap * gap)
                    same = own and ox == 0 and oy == 0
                    bottom = cell if same else math.floor((z - far - low[2]) / size[2])
                    ceiling = math.floor((z + far - low[2]) / size[2])
                    there = (na * ny + nb) * (nz + 1)
                    for turn in range(-1 if periodic else 0, 2 if periodic else 1):
                        start = max(bottom - turn * nz, 0)
                        stop = min(ceiling - turn * nz, nz - 1)
                        if start > stop:
                            continue
                        shift = (sx, sy, turn * sides[2])
                        begin, end = starts[there + start], starts[there + stop + 1]
                        if same and turn == 0:
                            begin = slot + 1
                        for run in range(begin, end, SPAN):
                            blocks = (min(end - run, SPAN) + BLOCK - 1) // BLOCK
                            number, b = np.uint64(blocks * BLOCK), np.uint64(run)
                            _compare(
                                (x, y, z), others, b, number, shift, kind, midpoint, tested, pi
                            )
                            if kind == SEPARATION and quantity == COUNTS:
                                for k in range(number):
                                    squares[gathered] = tested[k]
                                    inside = (tested[k] >= nearest) & (tested[k] < farthest)
                                    gathered += int(inside)
                            else:
                                found = 0
                                for k in range(number):
                                    chosen[found] = k
                                    inside = (tested[k] >= nearest) & (tested[k] < farthest)
                                    found += int(inside & (pi[k] < deepest))
                                for q in range(found):
                                    squares[gathered + q] = tested[chosen[q]]
                                    lengths[gathered + q] = pi[chosen[q]]
                                if quantity != COUNTS:
                                    for q in range(found):
                                        values[gathered + q] = _value(
                                            quantity, content, slot, others, run + chosen[q], shift
                                        )
                                if quantity == REGIONS:
                                    for q in range(found):
                                        regions[0, gathered + q] = int(content[4, slot])
                                        regions[1, gathered + q] = int(others[4, run + chosen[q]])
                                gathered += found
                            if gathered > ROOM:
                                _add(
                                    gathered, kind, quantity, squares, lengths, values, regions,
                                    index, edges, table, address, even, top, width, counts, sums,
                                )  # fmt: skip
                                gathered = 0
    _add(
        gathered, kind, quantity, squares, lengths, values, regions,
        index, edges, table, address, even, top, width, counts, sums,
    )  # fmt: skip
