"""Links of a site that lead nowhere within it."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Page(HTMLParser):
    """What a page links to, and the anchors that it has.

    Attributes:
        links: values of ``href`` and ``src``.
        anchors: values of ``id`` and ``name``.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("href", "src") and value:
                self.links.append(value)
            elif name in ("id", "name") and value:
                self.anchors.add(value)


def dead_links(site: Path) -> list[str]:
    """``page: link`` of every link to a file or an anchor of the site that is not there."""
    pages = {path.resolve(): Page(path.read_text()) for path in sorted(site.rglob("*.html"))}
    dead = []
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            found = pages.get(target / "index.html" if target.is_dir() else target)
            anchor = unquote(parts.fragment)
            if not target.exists() or (found and anchor and anchor not in found.anchors):
                dead.append(f"{path.relative_to(site.resolve())}: {link}")
    return dead
