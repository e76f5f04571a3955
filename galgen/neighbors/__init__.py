"""Nearest neighbours among the points of a cloud, periodic or open, with static shapes."""

from galgen.neighbors.brute_force import BruteForce
from galgen.neighbors.cell_list import CellList
from galgen.neighbors.method import Method
from galgen.neighbors.search import Automatic, Neighbors, nearest_neighbors
from galgen.neighbors.tree import Tree

__all__ = [
    "Automatic",
    "BruteForce",
    "CellList",
    "Method",
    "Neighbors",
    "Tree",
    "nearest_neighbors",
]
