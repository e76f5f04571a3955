"""Files that appear whole or not at all, whenever the writer is killed.

A :class:`Publication` is a private folder beside the file's place,
``.<name>.<random>.writing``. What is written there becomes the file by one rename, after an fsync
of the file and before one of the folder around it (rename is atomic, POSIX.1-2017), so that a
reader sees the old file or the new one. The folder's ``lock`` is held (flock) while its process
lives. One whose lock is free was left by a killed process, and the next writer of that file
removes it. On a file system that knows no locks such folders stay.

Nothing here writes through a symbolic link: a link that somebody planted in a folder is replaced
or refused, and the file it points to stays as it is.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import os
import shutil
import uuid
from pathlib import Path
from types import TracebackType

from galgen.errors import InputError, errno_of
from galgen.places import check_file

LOCK = "lock"
WRITING = ".writing"


class Publication:
    """A private folder in which a file is made before it is published.

    A context manager: leaving it removes the folder, published or not.

    Attributes:
        path: where the file will be.
        folder: where to make it; on the same file system.

    Raises:
        InputError: if there is no folder to put the file in, or a folder, a pipe or a device is in
            its place.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        check_file(self.path)
        if not self.path.parent.is_dir():
            raise InputError(f"expected a folder {self.path.parent}, got none; create it first")
        remove_stale(self.path)
        try:
            self._lock = self._locked_folder()
        except OSError as error:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise OSError(error.errno, error.strerror, str(self.path)) from error

    def _locked_folder(self) -> Lock:
        while True:
            self.folder = _private_name(self.path)
            self.folder.mkdir()
            lock = acquire(self.folder / LOCK, wait=True)
            if lock is not None:
                return lock

    def publish(self, file: Path) -> None:
        """Make ``file``, of the private folder, the published one."""
        sync(file)
        os.replace(file, self.path)
        sync(self.path.parent)

    def close(self) -> None:
        """Remove the private folder."""
        shutil.rmtree(self.folder, ignore_errors=True)
        release(self._lock)

    def __enter__(self) -> Publication:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
        number, named = errno_of(error), getattr(error, "filename", None)
        # An error with another name is about a file that is read meanwhile.
        if number is not None and (named is None or str(self.folder) in str(named)):
            raise OSError(number, os.strerror(number), str(self.path)) from error


def publish_text(path: Path, text: str) -> None:
    """Write a text file, UTF-8, whole or not at all."""
    with Publication(path) as publication:
        draft = publication.folder / "draft"
        draft.write_text(text, encoding="utf-8")
        publication.publish(draft)


def append_text(path: Path, text: str) -> None:
    """Add text at the end of a file, made if it is not there.

    Raises:
        OSError: if the file is a symbolic link.
    """
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW
    with os.fdopen(os.open(path, flags, 0o644), "a", encoding="utf-8") as file:
        file.write(text)


def own_folder(path: Path, links: bool = False) -> Path:
    """A folder inside another that is written to, made if it is not there.

    Args:
        path: of the folder.
        links: whether there may be symbolic links in it.

    Raises:
        InputError: if a file is in its place, or it or something in it is a symbolic link, by which
            other files would be written.
    """
    with contextlib.suppress(FileExistsError):
        path.mkdir(parents=True)
    if path.is_symlink() or not path.is_dir():
        raise InputError(
            f"expected a folder at {path}, got a link or a file, by which other files would be "
            "written; remove it"
        )
    found = () if links else sorted(entry.name for entry in path.iterdir() if entry.is_symlink())
    if found:
        raise InputError(
            f"expected no symbolic link in {path}, got {found[0]!r}, by which other files would "
            "be written; remove it"
        )
    return path


def remove_stale(path: Path) -> None:
    """Remove what killed writers of ``path`` left beside it; that of living ones stays."""
    for folder in path.parent.glob(f".{_escaped(path.name)}.*{WRITING}"):
        if folder.is_symlink():
            continue
        with contextlib.suppress(OSError):
            lock = acquire(folder / LOCK, wait=False)
            if lock is not None:
                if lock.exclusive:
                    shutil.rmtree(folder, ignore_errors=True)
                release(lock)


def discard(folder: Path, path: Path) -> None:
    """Remove a folder that belongs to ``path`` in one step: killed half-way, it is stale."""
    stale = _private_name(path)
    os.replace(folder, stale)
    shutil.rmtree(stale, ignore_errors=True)


@dataclasses.dataclass(frozen=True)
class Lock:
    """A lock file that is open.

    Attributes:
        descriptor: of the open file.
        exclusive: whether nobody else has it; False where the file system knows no locks.
    """

    descriptor: int
    exclusive: bool


def acquire(lock: Path, wait: bool) -> Lock | None:
    """Lock a file, made if it is not there; None if another holds it or has removed it.

    Where the file system knows no locks, it is opened all the same.

    Raises:
        OSError: if it cannot be opened, or is a symbolic link.
    """
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        os.close(descriptor)
        return None
    except OSError:
        return Lock(descriptor, exclusive=False)
    # Another process may have removed the file between its opening and its locking.
    with contextlib.suppress(OSError):
        if os.path.samestat(lock.stat(), os.fstat(descriptor)):
            return Lock(descriptor, exclusive=True)
    os.close(descriptor)
    return None


def release(lock: Lock) -> None:
    """Let go of what :func:`acquire` gave."""
    os.close(lock.descriptor)


def sync(path: Path) -> None:
    """Have a file, or the names in a folder, on disk before going on."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _private_name(path: Path) -> Path:
    return path.with_name(f".{path.name}.{uuid.uuid4().hex}{WRITING}")


def _escaped(name: str) -> str:
    """``name`` as a pattern that matches only itself."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)
