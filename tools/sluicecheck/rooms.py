"""Rooms are directories of src/. A room includes only rooms that lie below it and that its meson.build declares."""

import re
from pathlib import Path

from . import sources
from .finding import Finding

ORDER = Path("src/meson.build")
PAGE = Path("docs/design.md")
BEGIN, END = "<!-- rooms: `tools/check --rooms` writes these lines -->\n```text\n", "```\n<!-- end of rooms -->\n"


def order() -> list:
    """Lowest first, as they are built."""
    listed = re.search(r"^rooms = \[(.*?)^\]", sources.text(ORDER), re.MULTILINE | re.DOTALL)
    return re.findall(r"'(\w+)'", listed[1])


def room_of(path: Path) -> str:
    """The daemon's own files lie above all rooms, and are called after it."""
    return path.parts[1] if len(path.parts) > 2 else "sluiced"


def _files() -> list:
    return [path for path in sources.cpp_files() if path.parts[0] == "src"]


def _declared(room: str) -> set:
    build = sources.text(Path("src") / room / "meson.build" if room != "sluiced" else ORDER)
    return set(re.findall(r"\b(\w+)_dep\b", build)) & set(order()) - {room}


def _used() -> dict:
    """Room to the rooms that its files include."""
    used = {room: set() for room in [*order(), "sluiced"]}
    for path in _files():
        used.setdefault(room_of(path), set()).update(room_of(target) for target, _ in sources.includes(path))
    return {room: rooms - {room} for room, rooms in used.items()}


def check() -> list:
    rooms = order()
    height = {room: i for i, room in enumerate([*rooms, "sluiced"])}
    found = [Finding(str(ORDER), f"src/{room} is not in the list of rooms")
             for room in sorted({room_of(path) for path in _files()} - set(height))]
    for path in _files():
        room = room_of(path)
        for target, line in sources.includes(path):
            other = room_of(target)
            if other == room or room not in height or other not in height:
                continue
            if height[other] > height[room]:
                found.append(Finding(f"{path}:{line}", f"{room} includes {target}, and {other} lies above it"))
            elif other not in _declared(room):
                found.append(Finding(f"{path}:{line}", f"{room} includes {target}, and its meson.build has no {other}_dep"))
        if re.search(r"^#include <rte_", sources.text(path), re.MULTILINE) and not _takes_dpdk(room):
            found.append(Finding(str(path), f"includes DPDK's headers, and the meson.build of {room} has no dpdk"))
    for room, others in _used().items():
        for unused in sorted(_declared(room) - others) if room in height else ():
            found.append(Finding(f"src/{room}/meson.build" if room != "sluiced" else str(ORDER),
                                 f"declares {unused}_dep and includes nothing of it"))
    if drawing() not in sources.text(PAGE):
        found.append(Finding(str(PAGE), "the drawing of the rooms is not the code's: tools/check --rooms writes it"))
    return found


def _takes_dpdk(room: str) -> bool:
    return room != "sluiced" and re.search(r"\bdpdk\b", sources.text(Path("src") / room / "meson.build")) is not None


def drawing() -> str:
    """One line a room, highest first, with the rooms that it includes: each stands on a line further down."""
    used, rooms = _used(), order()
    names = ["sluiced", *reversed(rooms)]
    width = max(map(len, names))
    lines = []
    for room in names:
        below = sorted(used[room] & set(rooms), key=rooms.index, reverse=True)
        lines.append(f"{room:{width}} --> {' '.join(below)}\n" if below else f"{room}\n")
    return BEGIN + "".join(lines) + END


def write() -> None:
    page = sources.text(PAGE)
    before, after = page.split(BEGIN)[0], page.split(END)[1]
    (sources.REPOSITORY / PAGE).write_text(before + drawing() + after)
