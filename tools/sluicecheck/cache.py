"""Results of slow checks, kept by the content of all that they depend on."""

import functools
import hashlib
import json
import time
from pathlib import Path
from typing import Callable, Iterable

from . import sources
from .finding import Finding

DIRECTORY = sources.REPOSITORY / ".cache" / "check"
KEPT_DAYS = 30


@functools.cache
def _digest(path: Path) -> str:
    return hashlib.sha256((sources.REPOSITORY / path).read_bytes()).hexdigest()


def findings(kind: str, depends_on: Iterable[Path], more: str, compute: Callable) -> list:
    """What compute() returned when the files had this content; more: whatever else the result depends on, like flags."""
    key = hashlib.sha256(kind.encode())
    key.update(more.encode())
    for path in sorted(depends_on):
        key.update(f"{path} {_digest(path)}\n".encode())
    entry = DIRECTORY / kind / key.hexdigest()
    if entry.exists():
        entry.touch()
        return [Finding(*item) for item in json.loads(entry.read_text())]
    result = compute()
    entry.parent.mkdir(parents=True, exist_ok=True)
    entry.write_text(json.dumps(result))
    return result


def forget_old() -> None:
    oldest = time.time() - KEPT_DAYS * 86400
    for entry in DIRECTORY.glob("*/*"):
        if entry.stat().st_mtime < oldest:
            entry.unlink()
