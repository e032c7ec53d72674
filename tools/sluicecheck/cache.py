"""Results of slow checks, kept by the content of all that they depend on."""

import functools
import hashlib
import json
import time
from pathlib import Path
from typing import Callable, Iterable, Optional

from . import sources
from .finding import Finding

DIRECTORY = sources.REPOSITORY / ".cache" / "check"
KEPT_DAYS = 30


@functools.cache
def _digest(path: Path) -> str:
    return hashlib.sha256((sources.REPOSITORY / path).read_bytes()).hexdigest()


def findings(kind: str, depends_on: Iterable[Path], more: str, compute: Callable) -> list:
    """What compute() returned when the files had this content; more: whatever else the result depends on, like flags."""
    known = stored(kind, depends_on, more)
    if known is None:
        known = compute()
        store(kind, depends_on, more, known)
    return known


def stored(kind: str, depends_on: Iterable[Path], more: str) -> Optional[list]:
    """None when nothing is known of files with this content."""
    entry = _entry(kind, depends_on, more)
    if not entry.exists():
        return None
    entry.touch()
    return [Finding(*item) for item in json.loads(entry.read_text())]


def store(kind: str, depends_on: Iterable[Path], more: str, result: list) -> None:
    entry = _entry(kind, depends_on, more)
    entry.parent.mkdir(parents=True, exist_ok=True)
    entry.write_text(json.dumps(result))


def _entry(kind: str, depends_on: Iterable[Path], more: str) -> Path:
    key = hashlib.sha256(kind.encode())
    key.update(more.encode())
    for path in sorted(depends_on):
        key.update(f"{path} {_digest(path)}\n".encode())
    return DIRECTORY / kind / key.hexdigest()


def forget_old() -> None:
    oldest = time.time() - KEPT_DAYS * 86400
    for entry in DIRECTORY.glob("*/*"):
        if entry.stat().st_mtime < oldest:
            entry.unlink()
