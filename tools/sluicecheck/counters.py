"""Every drop reason and every counter of src/stats is written somewhere in src."""

import re
from pathlib import Path
from typing import Iterable, Optional

from . import sources
from .finding import Finding

TABLES = Path("src/stats")
_TABLE = re.compile(r"#define (SLUICE_\w+)\(X\)((?:.*\\\n)*.*\n)")
_NUMBER = re.compile(r"X\((?:Counter|Gauge),\s*(\w+),")
_REASON = re.compile(r"X\((?!Counter|Gauge)(\w+),\s*\w+,\s*\"")
_FIELD = re.compile(r"^\s+(?:Counter|Gauge) (\w*[a-z0-9]);", re.MULTILINE)
# ++x.name, x.name.add(n), and places that hand the number to whoever writes it: &Http2::name, f(stats.name).
_WRITTEN = r"\bstats_?\.{0}[,)}}]|(?:\+\+|--)[\w.>()\[\]:*-]*\b{0}\b|\b{0}\.(?:add|sub|set)\(|\b{0}(?:\+\+|--)|&[\w.>()\[\]:-]*\b{0}\b"


def check() -> list:
    lines_with = _lines_by_word()
    found = []
    for path in sources.cpp_files():
        if path.parent != TABLES:
            continue
        for table, lines in _TABLE.findall(sources.text(path)):
            for reason in _REASON.findall(lines):
                kind = table.removeprefix("SLUICE_").title().removesuffix("s")
                if not any(f"{kind}::k{reason}" in line for line in lines_with.get(f"k{reason}", ())):
                    found.append(Finding(str(path), f"{kind}::k{reason} is given nowhere"))
            found += [_unwritten(path, name, lines_with.get(name, ())) for name in _NUMBER.findall(lines)]
        found += [_unwritten(path, name, lines_with.get(name, ())) for name in _FIELD.findall(sources.text(path))]
    return [finding for finding in found if finding]


def _lines_by_word() -> dict:
    """The lines of src, but of the tables, in which each word stands."""
    found = {}
    for path in sources.cpp_files():
        if path.parts[0] == "src" and path.parent != TABLES:
            for line in sources.text(path).splitlines():
                for word in set(re.findall(r"\w+", line)):
                    found.setdefault(word, []).append(line)
    return found


def _unwritten(path: Path, name: str, lines: Iterable[str]) -> Optional[Finding]:
    written = re.compile(_WRITTEN.format(name))
    return None if any(written.search(line) for line in lines) else Finding(str(path), f"nobody writes {name}")
