"""Every drop reason and every counter of src/stats is written somewhere in src."""

import re
from pathlib import Path

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
    code = "\n".join(sources.text(path) for path in sources.cpp_files() if path.parts[0] == "src" and path.parent != TABLES)
    found = []
    for path in sources.cpp_files():
        if path.parent != TABLES:
            continue
        for table, lines in _TABLE.findall(sources.text(path)):
            for reason in _REASON.findall(lines):
                kind = table.removeprefix("SLUICE_").title().removesuffix("s")
                if not re.search(rf"\b{kind}::k{reason}\b", code):
                    found.append(Finding(str(path), f"{kind}::k{reason} is given nowhere"))
            found += [_unwritten(path, name, code) for name in _NUMBER.findall(lines)]
        found += [_unwritten(path, name, code) for name in _FIELD.findall(sources.text(path))]
    return [finding for finding in found if finding]


def _unwritten(path: Path, name: str, code: str):
    return None if re.search(_WRITTEN.format(name), code) else Finding(str(path), f"nobody writes {name}")
