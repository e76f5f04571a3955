"""Nearest neighbours among the points of a cloud, periodic or open, with static shapes."""

from galgen.neighbors.brute_force import BruteForce
from galgen.neighbors.cell_list import CellList
from galgen.neighbors.domains import in_domains
from galgen.neighbors.method import Method
from galgen.neighbors.reading import Halo, read_neighbors
from galgen.neighbors.search import Automatic, Neighbors, nearest_neighbors
from galgen.neighbors.tree import Tree

__all__ = [
    "Automatic",
    "BruteForce",
    "CellList",
    "Halo",
    "Method",
    "Neighbors",
    "Tree",
    "in_domains",
    "nearest_neighbors",
    "read_neighbors",
]
