#!/usr/bin/python3
"""docs/start.md as a newcomer would follow it: the commands in its boxes, as they stand there, from the top of the repository."""

import os
import re
import signal
import subprocess
import unittest

from support import REPOSITORY, lab, layout, main, process
from sluicelab import state

SECONDS = 240


def boxes(page: str) -> list:
    return re.findall(r"^```sh\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)


class Start(unittest.TestCase):
    @unittest.skipUnless(layout.build_dir() == REPOSITORY / "build", "the page names the build directory `build`")
    def test_the_commands_of_the_page_run_as_printed(self) -> None:
        self.addCleanup(lambda: state.exists() and lab.down())
        script = "".join(boxes((REPOSITORY / "docs" / "start.md").read_text()))
        self.assertIn("tools/lab up", script)
        # Job control, so that the page's `kill %1` reaches the daemon that the page has started.
        command = ["bash", "-m", "-e", "-x", "-c", script]
        environment = {**os.environ, "PATH": "/usr/bin:" + os.environ["PATH"]}
        page = subprocess.Popen(command, cwd=REPOSITORY, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                start_new_session=True)
        try:
            said = page.communicate(timeout=SECONDS)[0]
        except subprocess.TimeoutExpired:
            process.send_signal(page.pid, signal.SIGKILL)
            raise
        self.assertEqual(page.returncode, 0, said[-4000:])
        self.assertIn("sluiced.toml: ok", said)
        self.assertIn("serving", said)
        self.assertIn("198.18.1.102:50051", said)


if __name__ == "__main__":
    main()
