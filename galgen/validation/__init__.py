"""Is the mock true: generated catalogues against held-out ones, and the report that says so."""

from galgen.validation.comparison import Comparison, compare
from galgen.validation.report.report import write_report
from galgen.validation.report.table import table
from galgen.validation.settings import ValidationSettings

__all__ = ["Comparison", "ValidationSettings", "compare", "table", "write_report"]
