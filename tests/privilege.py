"""Permissions of files that hold for root too, as they do for everybody else."""

import contextlib
import ctypes
import os
from collections.abc import Iterator

import pytest

HEADER = (ctypes.c_uint32 * 2)(0x20080522, 0)  # version 3 of the interface, this thread
OVERRIDES = 1 << 1 | 1 << 2
"""CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH, capabilities(7)."""


@contextlib.contextmanager
def ordinary_permissions() -> Iterator[None]:
    """Root gives up reading and writing what permissions forbid, in this thread.

    Skips a test where that cannot be done.
    """
    if os.geteuid() != 0:
        yield
        return
    libc = ctypes.CDLL(None)
    sets = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable, of 32 capabilities each
    if libc.capget(HEADER, sets):
        pytest.skip("needs capget")
    before = sets[0]
    sets[0] = before & ~OVERRIDES
    if libc.capset(HEADER, sets):
        pytest.skip("needs capset")
    try:
        yield
    finally:
        sets[0] = before
        libc.capset(HEADER, sets)
