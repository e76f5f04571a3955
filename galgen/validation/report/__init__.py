"""The report: figures, page, tables."""
