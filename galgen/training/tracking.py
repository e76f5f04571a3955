"""Metrics of a run: one JSON object a line in ``metrics.jsonl``."""

from __future__ import annotations

import json
from pathlib import Path


class MetricsLog:
    """Appends metrics; on resume, lines after the resumed step are dropped first."""

    def __init__(self, path: Path, resume_step: int = 0) -> None:
        """Open ``path``, keeping only what was logged up to ``resume_step``."""
        self.path = path
        kept = [line for line in self.read() if line["step"] <= resume_step]
        temporary = path.with_suffix(".part")
        temporary.write_text("".join(json.dumps(line) + "\n" for line in kept))
        temporary.replace(path)

    def read(self) -> list[dict[str, float]]:
        """Everything logged; a last line cut short by a kill is left out."""
        if not self.path.exists():
            return []
        lines = []
        for text in self.path.read_text().splitlines():
            try:
                lines.append(json.loads(text))
            except json.JSONDecodeError:
                continue
        return lines

    def write(self, **metrics: float) -> None:
        """Append one line."""
        with self.path.open("a") as file:
            file.write(json.dumps(metrics) + "\n")
