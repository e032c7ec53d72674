"""The files of the repository: all of them, those that changed, and those that include them."""

import functools
import os
import re
import subprocess
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
TREES = ("src", "tests", "tools")  # where C++ is
_INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)


def _git(*words: str) -> list:
    """The lines that git prints; none where there is no repository, as in a tarball."""
    done = subprocess.run(["git", "-C", str(REPOSITORY), *words], text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return done.stdout.splitlines() if done.returncode == 0 else []


@functools.cache
def all_files() -> tuple:
    """Tracked files and new ones that are not ignored. Paths start at the top of the repository."""
    listed = _git("ls-files", "--cached", "--others", "--exclude-standard")
    if not listed:
        listed = [os.path.relpath(os.path.join(place, name), REPOSITORY)
                  for place, below, names in os.walk(REPOSITORY) if not _skip(below) for name in names]
    return tuple(sorted(Path(name) for name in set(listed) if (REPOSITORY / name).is_file()))


def _skip(below: list) -> None:
    """Takes out of a walk the directories that hold no sources."""
    below[:] = [name for name in below if not name.startswith(("build", ".")) and name != "__pycache__"]


def cpp_files() -> list:
    return [path for path in all_files() if path.suffix in (".h", ".cc") and path.parts[0] in TREES]


def changed(base: str) -> set:
    """The files that differ from the merge base with `base`, whether committed or not."""
    merge_base = _git("merge-base", base, "HEAD") or ["HEAD"]
    names = _git("diff", "--name-only", merge_base[0]) + _git("ls-files", "--others", "--exclude-standard")
    return {Path(name) for name in names}


@functools.cache
def text(path: Path) -> str:
    return (REPOSITORY / path).read_text(errors="replace")


@functools.cache
def includes(path: Path) -> tuple:
    """The repository's files that this one includes itself, with the line of each."""
    found = []
    for match in _INCLUDE.finditer(text(path)):
        line = text(path).count("\n", 0, match.start(1)) + 1
        for place in (path.parent, *(Path(tree) for tree in TREES)):
            target = Path(os.path.normpath(place / match[1]))
            if (REPOSITORY / target).is_file():
                found.append((target, line))
                break
    return tuple(found)


@functools.cache
def closure(path: Path) -> frozenset:
    """The file and all that it includes, directly or not."""
    found, waiting = {path}, [path]
    while waiting:
        for target, _ in includes(waiting.pop()):
            if target not in found:
                found.add(target)
                waiting.append(target)
    return frozenset(found)


def users(files: set) -> list:
    """C++ files that include one of these, nearest first: those that include it themselves come before the others."""
    direct = [path for path in cpp_files() if path not in files and any(target in files for target, _ in includes(path))]
    further = [path for path in cpp_files() if path not in files and path not in direct and closure(path) & files]
    return direct + further
