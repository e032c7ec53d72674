#!/usr/bin/python3
"""tools/check finds what it is there for, in a small repository with one fault at a time."""

import functools
import sys
import tempfile
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))

from sluicecheck import counters, pages, rooms, sources  # noqa: E402

SOUND = {
    "src/meson.build": "rooms = [\n  'base',\n  'stats',\n  'tcp',\n]\n",
    "src/base/meson.build": "base_dep = declare_dependency()\n",
    "src/base/time.h": "#pragma once\n",
    "src/stats/meson.build": "stats_dep = declare_dependency(dependencies: [base_dep])\n",
    "src/stats/tcp.h": '#include "base/time.h"\n#define SLUICE_TCP_STATS(X) \\\n  X(Counter, resets_in, "resets")\n',
    "src/stats/drops.h": '#define SLUICE_DROPS(X) \\\n  X(NoRoute, no_route, "no route")\n',
    "src/tcp/meson.build": "tcp_dep = declare_dependency(dependencies: [stats_dep])\n",
    "src/tcp/stack.cc": '#include "stats/tcp.h"\nclass Stack { void f() { ++stats.resets_in; drop(Drop::kNoRoute); } };\n',
    "src/tcp/read_keys.cc": 't.integer("half_open", m.half_open, 1, 2);\n',
    "src/sluiced.cc": 'app.add_flag("--check");\n',
    "tools/sluicectl/main.cc": '      {"pods", "Pod by pod"},\n',
    "tools/check": "--rooms",
    "docs/configuration.md": "# Configuration\n\n`half_open`\n",
    "docs/design.md": "# Design\n\n",
    "README.md": "[design](docs/design.md#design), `src/tcp`, `tcp/stack.cc`, `tcp::Stack`, `half_open`\n\n"
                 "    sluicectl pods\n    sluiced --check\n",
}


class CheckTest(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        self.addCleanup(self.directory.cleanup)
        repository = sources.REPOSITORY
        sources.REPOSITORY = Path(self.directory.name)
        self.addCleanup(lambda: setattr(sources, "REPOSITORY", repository))
        self.addCleanup(self.forget)
        for name, text in SOUND.items():
            self.write(name, text)
        self.write("docs/design.md", SOUND["docs/design.md"] + rooms.drawing())

    def forget(self):
        """Forgets what was kept of files that have changed since."""
        for module in (sources, pages):
            for value in vars(module).values():
                if isinstance(value, functools._lru_cache_wrapper):
                    value.cache_clear()

    def write(self, name: str, text: str):
        path = sources.REPOSITORY / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        self.forget()

    def assert_finds(self, check, part: str):
        found = check()
        self.assertEqual(len(found), 1, found)
        self.assertIn(part, str(found[0]))

    def test_a_sound_repository_has_no_findings(self):
        self.assertEqual(rooms.check() + counters.check() + pages.check(), [])

    def test_a_room_that_includes_a_higher_one_is_found(self):
        self.write("src/base/time.h", '#include "tcp/stack.h"\n')
        self.write("src/tcp/stack.h", "")
        self.write("docs/design.md", rooms.drawing())
        self.assert_finds(rooms.check, "src/base/time.h:1: base includes src/tcp/stack.h, and tcp lies above it")

    def test_a_room_that_includes_what_it_does_not_declare_is_found(self):
        self.write("src/tcp/timer.h", '#include "base/time.h"\n')
        self.write("docs/design.md", rooms.drawing())
        self.assert_finds(rooms.check, "has no base_dep")

    def test_a_room_that_declares_what_it_does_not_include_is_found(self):
        self.write("src/tcp/meson.build", "tcp_dep = declare_dependency(dependencies: [base_dep, stats_dep])\n")
        self.assert_finds(rooms.check, "declares base_dep and includes nothing of it")

    def test_a_directory_that_is_not_in_the_list_of_rooms_is_found(self):
        self.write("src/udp/socket.h", "")
        self.assert_finds(rooms.check, "src/udp is not in the list of rooms")

    def test_dpdk_in_a_room_without_it_is_found(self):
        self.write("src/tcp/mbuf.h", "#include <rte_mbuf.h>\n")
        self.assert_finds(rooms.check, "includes DPDK's headers")

    def test_an_old_drawing_is_found(self):
        self.write("docs/design.md", SOUND["docs/design.md"] + rooms.drawing().replace("stats", "numbers"))
        self.assert_finds(rooms.check, "the drawing of the rooms is not the code's")

    def test_a_counter_that_nobody_writes_is_found(self):
        self.write("src/tcp/stack.cc", '#include "stats/tcp.h"\nint n = stats.resets_in.get() + (Drop::kNoRoute == x);\nclass Stack;\n')
        self.assert_finds(counters.check, "nobody writes resets_in")

    def test_a_drop_reason_that_nothing_gives_is_found(self):
        self.write("src/tcp/stack.cc", '#include "stats/tcp.h"\nclass Stack { void f() { ++stats.resets_in; } };\n')
        self.assert_finds(counters.check, "Drop::kNoRoute is given nowhere")

    def test_pages_that_name_what_is_not_there_are_found(self):
        for text, part in (("[x](nothing.md)", "leads nowhere"), ("[x](docs/design.md#nothing)", "leads nowhere"),
                           ("see src/udp/socket.h", "there is no src/udp/socket.h"), ("`socket.cc`", "there is no file socket.cc"),
                           ("`no_such_key`", "no code knows no_such_key"),
                           ("`sluice_tcp_nothing`", "no code knows sluice_tcp_nothing"), ("`tcp::Socket`", "tcp has no Socket"),
                           ("    sluicectl flows", "sluicectl has no command flows"),
                           ("    sluiced --fast", "sluiced has no option --fast")):
            with self.subTest(text):
                self.write("README.md", text + "\n")
                self.assert_finds(pages.check, part)

    def test_a_key_that_the_page_of_the_configuration_does_not_have_is_found(self):
        self.write("src/tcp/read_more.cc", 't.duration("time_wait", m.time_wait);\n')
        self.assert_finds(pages.check, "reads the key time_wait")


if __name__ == "__main__":
    unittest.main()
