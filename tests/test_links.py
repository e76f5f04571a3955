"""The check of ``make docs`` for links within the site that lead nowhere."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "docs"))

from links import dead_links


def test_dead_links_are_found(tmp_path):
    (tmp_path / "rooms").mkdir()
    (tmp_path / "picture.png").touch()
    (tmp_path / "index.html").write_text(
        '<h1 id="top"></h1><a href="rooms/one.html#begin">1</a><a href="#top">2</a>'
        '<a href="https://example.org/x#y">3</a><img src="picture.png">'
        '<a href="rooms/two.html">4</a>'
        '<a href="rooms/one.html#gone">5</a><a href="#gone">6</a><img src="none.png">'
    )
    (tmp_path / "rooms/one.html").write_text('<p id="begin"></p><a href="../index.html#top">up</a>')
    assert dead_links(tmp_path) == [
        f"index.html: {link}"
        for link in ("rooms/two.html", "rooms/one.html#gone", "#gone", "none.png")
    ]
