"""From raw survey and simulation files to a galgen suite: ``python -m data_prep --help``.

Each source (``table``, ``fastfood``, ``survey``) is a frozen dataclass of its options that reads
its files into catalogues; what follows (cuts, splits, writing) is shared. Only
:mod:`galgen.data` is imported from the library.
"""
