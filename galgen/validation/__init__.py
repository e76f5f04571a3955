"""Is the mock true: generated catalogues against held-out ones, and the report that says so."""

from galgen.validation.comparison import Comparison, compare
from galgen.validation.report import write_report
from galgen.validation.settings import ValidationSettings
from galgen.validation.table import table

__all__ = ["Comparison", "ValidationSettings", "compare", "table", "write_report"]
