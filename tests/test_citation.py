"""What the project says of itself agrees with the package."""

from pathlib import Path

import galgen

ROOT = Path(__file__).parents[1]


def test_every_place_names_one_version() -> None:
    cff = (ROOT / "CITATION.cff").read_text()
    assert f"\nversion: {galgen.__version__}\n" in cff
    assert f'\nversion = "{galgen.__version__}"\n' in (ROOT / "pyproject.toml").read_text()
    assert f"version = {{{galgen.__version__}}}" in (ROOT / "README.md").read_text()
