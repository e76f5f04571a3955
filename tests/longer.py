"""The tests that ``make quick`` leaves out: those that were seen to take longer than ``LIMIT``."""

from pathlib import Path

import pytest

LIMIT = 0.4
"""Seconds of a processor, with what a test is the first to compile or to set up."""
LIST = Path(__file__).with_name("longer.txt")


def listed() -> frozenset[str]:
    """Names of tests, as ``name_of`` has them."""
    return frozenset(LIST.read_text().splitlines())


def name_of(item: pytest.Item) -> str:
    """The file and the function: its parameters are quick together, or none is."""
    return item.nodeid.partition("[")[0]


def record(item: pytest.Item, seconds: float) -> None:
    """add to tests/longer.txt the tests of this run that take longer than make quick allows"""
    if seconds > LIMIT:
        LIST.write_text("\n".join(sorted(listed() | {name_of(item)})) + "\n")
