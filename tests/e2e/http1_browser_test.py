#!/usr/bin/python3
"""A browser, headless Chromium: a page with fifty pictures, a streaming fetch and a WebSocket, over each version of HTTP."""

import json
import os
import re
import shutil
import struct
import tempfile
import unittest
from pathlib import Path
from urllib.parse import unquote

import http_pods
from support import LabTest, lab, layout, main, process, service, worker

from sluicelab import configuration

NAME = "echo.lab"
PORT, TLS_PORT = 6300, 6301
PICTURES = 50
SECONDS = 40  # for a page
SIDE = 64  # of a picture, in pixels

PAGE = """<!doctype html><meta charset=utf-8><title>page</title><script>
async function pictures() {
  const all = [...Array(%d).keys()].map(number => new Promise(resolve => {
    const picture = new Image();
    picture.onload = () => resolve(picture.naturalWidth);
    picture.onerror = () => resolve(0);
    picture.src = `/picture${number}.bmp`;
  }));
  return (await Promise.all(all)).filter(width => width == %d).length;
}
async function stream() {
  const reader = (await fetch('/slow')).body.getReader();
  let text = '', pieces = 0;
  for (let got; !(got = await reader.read()).done; ++pieces) text += new TextDecoder().decode(got.value);
  return {text, pieces};
}
async function upload() {
  const body = '0123456789'.repeat(50000);
  return await (await fetch('/echo', {method: 'POST', body})).text() === body;
}
function websocket() {
  return new Promise(resolve => {
    const socket = new WebSocket(`${location.protocol.replace('http', 'ws')}//${location.host}/`);
    socket.onopen = () => socket.send('hello');
    socket.onmessage = message => { socket.close(4001); resolve(message.data); };
    socket.onerror = () => resolve('failed');
  });
}
async function all() {
  const got = {pictures: await pictures(), stream: await stream(), upload: await upload(), websocket: await websocket()};
  got.protocols = [...new Set(performance.getEntriesByType('resource').map(entry => entry.nextHopProtocol))];
  await fetch('/result?' + encodeURIComponent(JSON.stringify(got)));
}
all();
</script>
""" % (PICTURES, SIDE)


def picture() -> bytes:
    """A BMP of noise."""
    pixels = os.urandom(SIDE * SIDE * 3)
    return (struct.pack("<2sIHHI", b"BM", 54 + len(pixels), 0, 0, 54)
            + struct.pack("<IiiHHIIiiII", 40, SIDE, SIDE, 1, 24, 0, len(pixels), 0, 0, 0, 0) + pixels)


@unittest.skipUnless(shutil.which("chromium") and http_pods.Node.installed(), "chromium or node is not installed")
class Browser(LabTest):
    @classmethod
    def setUpClass(cls) -> None:
        lab.up(1, cls.driver, tls=True)
        cls.addClassCleanup(lab.down)
        cls.tls = lab.status()["tls"]
        cls.pod = cls.enterClassContext(http_pods.Node())
        (cls.pod.files / "page").write_text(PAGE)
        for number in range(PICTURES):
            (cls.pod.files / f"picture{number}.bmp").write_bytes(picture())
        cls("setUpClass").listen()
        cls.scratch = Path(cls.enterClassContext(tempfile.TemporaryDirectory()))

    def listen(self, keys: str = "") -> None:
        https = configuration.https_listener(self.tls, "page-https", TLS_PORT, "page")
        self.reload(service("page", PORT, self.pod.endpoint, keys='protocol = "http1"', protocol="http")
                    + https.replace("[listener.tls]", f"{keys}\n[listener.tls]"))

    def visit(self, url: str, *words: str) -> dict:
        """What the page says of itself, in a request to the pod."""
        with self.pod.log.open() as log, tempfile.TemporaryDirectory() as profile:
            log.seek(0, os.SEEK_END)
            command = ["env", f"HOME={profile}", "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                f"--user-data-dir={profile}", "--ignore-certificate-errors", f"--host-resolver-rules=MAP {NAME} {layout.VIP}",
                "--remote-debugging-port=0", *words, f"{url}/page"]
            said = ""

            def told() -> bool:
                nonlocal said
                said += log.read()
                return "/result?" in said

            browser = process.spawn(layout.CLIENT_NAMESPACE, command, self.scratch / "chromium.log")
            try:
                self.assertTrue(process.wait_until(told, SECONDS, every=0.1), said + process.tail(self.scratch / "chromium.log"))
            finally:
                process.kill(browser)
        got = json.loads(unquote(re.search(r"/result\?(\S+)", said).group(1)))
        self.assertEqual(got["pictures"], PICTURES, got)
        self.assertEqual(got["stream"]["text"], "tick\n" * 5, got)
        self.assertGreater(got["stream"]["pieces"], 1, "the answer comes as the pod writes it")
        self.assertTrue(got["upload"], got)
        self.assertEqual(got["websocket"], "hello", got)
        return got

    def test_over_cleartext(self) -> None:
        self.assertEqual(self.visit(f"http://{NAME}:{PORT}")["protocols"], ["http/1.1"])

    def test_over_tls_and_http_2(self) -> None:
        self.assertEqual(self.visit(f"https://{NAME}:{TLS_PORT}")["protocols"], ["h2"])

    def test_over_tls_and_http_1_1(self) -> None:
        self.assertEqual(self.visit(f"https://{NAME}:{TLS_PORT}", "--disable-http2")["protocols"], ["http/1.1"])

    def test_a_websocket_over_http_2_where_the_listener_passes_connect(self) -> None:
        tunnels = worker()["http1"]["tunnels"]
        self.listen('connect = "pass"')
        self.assertEqual(self.visit(f"https://{NAME}:{TLS_PORT}")["protocols"], ["h2"])
        self.assertEqual(worker()["http1"]["tunnels"], tunnels + 1, "only the pod's side is one of HTTP/1.1")


if __name__ == "__main__":
    main()
