"""A running sluice-client, and what it last said of its calls."""

import json
import signal
import subprocess
import threading
import time
from typing import Optional

from . import layout
from .process import LabError, common_core, in_namespace


class Client:
    """Runs from construction to stop(). Options are those of sluice-client: Client(in_flight=20, delay=10)."""

    def __init__(self, namespace: str = layout.CLIENT_NAMESPACE, program: tuple = (), **options) -> None:
        words = list(program) or [str(layout.client_binary())]
        for name, value in options.items():
            words += ["--" + name.replace("_", "-"), str(value)]
        self._process = subprocess.Popen(in_namespace(namespace, words), stdout=subprocess.PIPE, text=True,
                                         preexec_fn=common_core)
        self._news = threading.Condition()
        self._lines = 0
        self._report: Optional[dict] = None
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for line in self._process.stdout:
            with self._news:
                self._report = json.loads(line)
                self._lines += 1
                self._news.notify_all()
        with self._news:
            self._lines = -1
            self._news.notify_all()

    def fresh(self, seconds: float = 5.0) -> dict:
        """The next report. All counts are since the start."""
        until = time.monotonic() + seconds
        with self._news:
            seen = self._lines
            while self._lines == seen and seen >= 0:
                if not self._news.wait(until - time.monotonic()):
                    raise LabError("the client says nothing")
            if self._lines < 0:
                raise LabError("the client has ended")
            return self._report

    def stop(self) -> dict:
        """Lets the calls in flight end; the final report."""
        self._process.send_signal(signal.SIGTERM)
        return self.wait()

    def wait(self, seconds: float = 20.0) -> dict:
        """For a client with a duration: until it ends by itself; the final report."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise LabError("the client does not end") from None
        self._reader.join()
        if self._report is None or not self._report["final"]:
            raise LabError(f"the client ended with code {self._process.returncode} and no final report")
        return self._report

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


class Http1Client(Client):
    """The same for requests of HTTP/1.1 on one kept connection. Options are those of http1_client.py."""

    def __init__(self, **options) -> None:
        super().__init__(program=("/usr/bin/python3", str(layout.http1_client())), **options)


def failed(report: dict) -> int:
    return sum(report["failed"].values())
