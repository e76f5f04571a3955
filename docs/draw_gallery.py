"""Run tutorials and keep their pictures: python docs/draw_gallery.py [NAME...]

Every figure that a notebook leaves behind is written to ``docs/pictures/<notebook>/`` as a PNG of
few colours, a film as it is, and ``docs/gallery.md`` is written anew from the pictures there are.
What each notebook took is printed.
"""

from __future__ import annotations

import io
import re
import runpy
import shutil
import sys
import time
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure
from PIL import Image

from galgen.plot_style import STYLE

DOCS = Path(__file__).parent
NOTEBOOKS = DOCS.parent / "notebooks"
PICTURES = DOCS / "pictures"
DOTS_PER_INCH = 80
COLOURS = 48
FILM = "journey.gif"
INTRODUCTION = """\
# Gallery

What the tutorials of `notebooks/` draw, at their full setting. Black is held-out or simulated, red
is generated, blue is the base; every figure can be read in grey. It is made by
`python docs/draw_gallery.py`.

![Uniform points, a generated and a simulated catalogue, and xi(r)](pictures/demo.png)

The run of `make demo`: points in a quarter of the box, and xi(r) of 128 generated and 256 simulated
catalogues at each of two cosmologies that it was not trained on, with the errors of the means.
"""


def draw(name: str) -> None:
    """Run a notebook and keep its pictures."""
    wall, processor = time.perf_counter(), time.process_time()
    names = runpy.run_path(str(NOTEBOOKS / f"{name}.py"))
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    place = PICTURES / name
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    for label, value in names.items():
        if isinstance(value, Figure) and label.endswith("figure"):
            save(value, place / f"{label.removesuffix('_figure')}.png")
    folder = names.get("folder")
    if isinstance(folder, Path) and (folder / FILM).exists():
        shutil.copy(folder / FILM, place / FILM)
    size = sum(path.stat().st_size for path in place.iterdir()) / 1024
    print(f"{name}: {processor / 60:.1f} CPU-minutes, {wall / 60:.1f} minutes, {size:.0f} KiB")


def save(figure: Figure, path: Path) -> None:
    """A figure as a PNG with a palette."""
    buffer = io.BytesIO()
    with matplotlib.rc_context(dict(STYLE)):
        figure.savefig(buffer, dpi=DOTS_PER_INCH, metadata={"Software": None})
    image = Image.open(buffer).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    image.save(path, optimize=True)


def title_of(name: str) -> str:
    """The heading of a notebook."""
    found = re.search(r"^# # (.+)$", (NOTEBOOKS / f"{name}.py").read_text(), re.MULTILINE)
    return found.group(1) if found else name


def write_page() -> None:
    """The page of all pictures, by notebook."""
    parts = [INTRODUCTION]
    for place in sorted(path for path in PICTURES.iterdir() if path.is_dir()):
        parts.append(f"## {title_of(place.name)}\n\n`notebooks/{place.name}.py`\n")
        text = (NOTEBOOKS / f"{place.name}.py").read_text()
        pictures = sorted(place.iterdir(), key=lambda path: (text.find(path.stem), path.name))
        parts += [
            f"![{path.stem.replace('_', ' ')}](pictures/{place.name}/{path.name})\n"
            for path in pictures
        ]
    (DOCS / "gallery.md").write_text("\n".join(parts))


if __name__ == "__main__":
    for chosen in sys.argv[1:] or sorted(path.stem for path in NOTEBOOKS.glob("*.py")):
        draw(chosen)
    write_page()
