"""How files are compiled: meson's compile_commands.json, and a pool of as many threads as there are cores."""

import functools
import json
import os
import re
import shlex
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Callable, Iterable, NamedTuple

from sluicelab import layout

from . import sources


_INCLUDE = re.compile(r'^#include\s*["<](.*)[">]', re.MULTILINE)


class Command(NamedTuple):
    source: Path
    arguments: tuple  # without compiler, input and output
    first: bool       # the compiler reads nothing before this source


@functools.cache
def commands() -> dict:
    """By source."""
    database = json.loads((layout.build_dir() / "compile_commands.json").read_text())
    found = {}
    for entry in database:
        arguments = tuple(_flags(shlex.split(entry["command"]), entry["file"]))
        for number, path in enumerate(_compiled_together(Path(os.path.join(entry["directory"], entry["file"])))):
            source = Path(os.path.relpath(os.path.realpath(path), sources.REPOSITORY))
            if source in sources.all_files():  # and not made by the build
                found.setdefault(source, Command(source, arguments, number == 0))
    return found


def _compiled_together(path: Path) -> list:
    """The sources that the build compiles with this one: meson's `unity` makes a source that includes them."""
    if not re.search(r"-unity\d+\.cpp$", path.name):
        return [path]
    return [os.path.join(path.parent, included) for included in _INCLUDE.findall(path.read_text())]


def _flags(words: list, source: str) -> Iterable[str]:
    """Those that decide what the source means. No precompiled header: a file has to include what it uses."""
    while words and not words[0].startswith("-"):
        words = words[1:]
    skip_next = False
    for word, following in zip(words, words[1:] + [""]):
        if skip_next or word in (source, "-c", "-MD", "-Winvalid-pch"):
            skip_next = False
        elif word in ("-o", "-MQ", "-MF") or (word == "-include" and "pch" in following):
            skip_next = True
        else:
            yield word


def flags_of(path: Path) -> tuple:
    """The flags of the source, or of a source that lies in the same directory, or else of the daemon's main."""
    known = commands()
    if path in known:
        return known[path].arguments
    for source, command in known.items():
        if source.parent == path.parent:
            return command.arguments
    return known[Path("src/sluiced.cc")].arguments


def in_parallel(work: Callable, items: list, seconds: float = 0) -> tuple:
    """The results, and how many items were left when the time was over. seconds: 0 for as long as it takes."""
    end = time.monotonic() + seconds if seconds else float("inf")
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        done = list(pool.map(lambda item: work(item) if time.monotonic() < end else None, items))
    results = [result for result in done if result is not None]
    return results, len(items) - len(results)
