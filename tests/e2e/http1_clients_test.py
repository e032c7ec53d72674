#!/usr/bin/python3
"""Clients that people have, over http and https: curl, wrk, ab, h2load, Python's requests, httpx, aiohttp and websockets, Node's http and
ws. The lab's own pods of HTTP/1.1 answer with their names, a pod of Node with what it was sent."""

import re
import shutil
import tempfile
import unittest
from pathlib import Path

import http_pods
from support import LabTest, lab, layout, main, run, service

from sluicelab import configuration

NAME = "echo.lab"
ECHO_PORT, ECHO_TLS_PORT = 6010, 6011
PODS = 2
BODY = "0123456789" * 20_000


PRELUDE = f"""
import asyncio, socket, ssl, sys
ca, *urls = sys.argv[1:]
genuine = socket.getaddrinfo
socket.getaddrinfo = lambda host, *rest, **more: genuine('{layout.VIP}' if host in ('{NAME}', b'{NAME}') else host, *rest, **more)
BODY = b'0123456789' * 20_000
def halves(): yield BODY[:70_000]; yield BODY[70_000:]
def expect(what, condition):
    if not condition: sys.exit(f'unexpected: {{what}}')
"""

REQUESTS = PRELUDE + """
import requests
for names, bodies in zip(urls[0::2], urls[1::2]):
    with requests.Session() as session:
        session.verify, session.trust_env = ca, False
        got = [session.get(f'{names}/').text for _ in range(6)]
        expect(got, got.count('pod1') == got.count('pod2') == 3)
        expect('by length', session.post(f'{bodies}/', data=BODY).content == BODY)
        answer = session.post(f'{bodies}/', data=halves())
        expect('in chunks', answer.content == BODY and answer.headers['x-framing'] == 'chunked')
        expect('stream', b''.join(session.get(f'{bodies}/slow', stream=True).iter_content(3)) == b'tick\\n' * 5)
        expect('204', session.get(f'{bodies}/204').status_code == 204)
        expect('head', session.head(f'{bodies}/big').headers['content-length'] == '2000000')
"""

HTTPX = PRELUDE + """
import httpx
for names, bodies in zip(urls[0::2], urls[1::2]):
    for versions in ({'http1': True}, {'http1': False, 'http2': True}):
        with httpx.Client(verify=ca, trust_env=False, **versions) as client:
            got = [client.get(f'{names}/') for _ in range(6)]
            expect(got, all(one.http_version == ('HTTP/2' if 'http2' in versions else 'HTTP/1.1') for one in got))
            expect(got, sorted(one.text for one in got) == ['pod1'] * 3 + ['pod2'] * 3)
            expect('by length', client.post(f'{bodies}/', content=BODY).content == BODY)
            answer = client.post(f'{bodies}/', content=halves())
            expect('in chunks', answer.content == BODY and answer.headers['x-framing'] == 'chunked')
            with client.stream('GET', f'{bodies}/slow') as stream:
                expect('stream', b''.join(stream.iter_bytes()) == b'tick\\n' * 5)
"""

AIOHTTP = PRELUDE + """
import aiohttp
async def talk(names, bodies):
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=ca), limit=4)) as session:
        async def text(url, **how):
            async with session.request(how.pop('method', 'GET'), url, **how) as answer:
                return (await answer.read()).decode()
        got = await asyncio.gather(*(text(f'{names}/') for _ in range(20)))
        expect(got, min(got.count('pod1'), got.count('pod2')) > 5)  # a pod whose connections are busy is passed over
        async def halves_later():
            for half in halves(): yield half
        expect('in chunks', await text(f'{bodies}/', method='POST', data=halves_later()) == BODY.decode())
        expect('100-continue', await text(f'{bodies}/', method='PUT', data=BODY, expect100=True) == BODY.decode())
        async with session.ws_connect(f'{bodies}/') as socket:
            for message in ('hello', 'x' * 100_000):
                await socket.send_str(message)
                expect('websocket', await socket.receive_str() == message)
for names, bodies in zip(urls[0::2], urls[1::2]):
    asyncio.run(talk(names, bodies))
"""

WEBSOCKETS = PRELUDE + """
import websockets
async def talk(bodies):
    how = {'ssl': ssl.create_default_context(cafile=ca)} if bodies.startswith('https') else {}
    async with websockets.connect(bodies.replace('http', 'ws', 1) + '/', max_size=None, **how) as socket:
        for message in ('hello', BODY * 10):
            await socket.send(message)
            expect('echo', await socket.recv() == message)
for bodies in urls[1::2]:
    asyncio.run(talk(bodies))
"""


NODE = f"""
const [ca, ...urls] = process.argv.slice(2), fs = require('fs'), assert = require('assert');
const lookup = (name, options, done) => options.all ? done(null, [{{address: '{layout.VIP}', family: 4}}]) : done(null, '{layout.VIP}', 4);
const body = '0123456789'.repeat(20000);
function talk(url, agent, method = 'GET', parts = []) {{
  return new Promise((resolve, reject) => {{
    const request = require(new URL(url).protocol.slice(0, -1)).request(url, {{agent, method, lookup}}, answer => {{
      let text = '';
      answer.on('data', piece => text += piece).on('aborted', () => reject(Error('cut')));
      answer.on('end', () => resolve({{text, headers: answer.headers, trailers: answer.trailers, reused: request.reusedSocket}}));
    }}).on('error', reject);
    for (const part of parts) request.write(part);
    request.end();
  }});
}}
async function all() {{
  for (const [names, bodies] of [urls.slice(0, 2), urls.slice(2)]) {{
    const kind = new URL(names).protocol.slice(0, -1);
    const agent = new (require(kind).Agent)({{keepAlive: true, maxSockets: 1, ca: fs.readFileSync(ca)}});
    const got = [];
    for (let i = 0; i < 6; ++i) got.push(await talk(names + '/', agent));
    assert.deepStrictEqual(got.map(one => one.text).sort(), ['pod1', 'pod1', 'pod1', 'pod2', 'pod2', 'pod2']);
    assert.deepStrictEqual(got.map(one => one.reused), [false, true, true, true, true, true]);
    const answer = await talk(bodies + '/', agent, 'POST', [body.slice(0, 70000), body.slice(70000)]);
    assert.strictEqual(answer.text, body);
    assert.strictEqual(answer.headers['x-framing'], 'chunked');
    assert.strictEqual(answer.trailers['x-end'], 'whole');
    let WebSocket;
    try {{ WebSocket = require('ws'); }} catch (error) {{ console.log('ws is not installed'); continue; }}
    await new Promise((resolve, reject) => {{
      const socket = new WebSocket(bodies.replace('http', 'ws') + '/', {{lookup, ca: fs.readFileSync(ca)}});
      socket.on('open', () => socket.send(body)).on('error', reject).on('close', resolve);
      socket.on('message', data => {{ assert.strictEqual(String(data), body); socket.close(); }});
    }});
  }}
}}
all().then(() => process.exit(0), error => {{ console.error(error); process.exit(1); }});
"""


class Clients(LabTest):
    @classmethod
    def setUpClass(cls) -> None:
        lab.up(PODS, cls.driver, tls=True, pods_http1=True)
        cls.addClassCleanup(lab.down)
        cls.tls = lab.status()["tls"]
        cls.echo = cls.enterClassContext(http_pods.Node()) if http_pods.Node.installed() else None
        endpoints = (cls.echo.endpoint,) if cls.echo else ()
        cls("setUpClass").reload(service("bodies", ECHO_PORT, *endpoints, keys='protocol = "http1"', protocol="http")
                     + configuration.https_listener(cls.tls, "bodies-https", ECHO_TLS_PORT, "bodies"), tls=cls.tls)
        cls.names = [f"http://{layout.VIP}", f"https://{NAME}"]
        cls.bodies = [f"http://{layout.VIP}:{ECHO_PORT}", f"https://{NAME}:{ECHO_TLS_PORT}"]
        cls.scratch = Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        cls.body = cls.scratch / "body"
        cls.body.write_text(BODY)

    def need(self, *programs: str) -> None:
        for program in programs:
            if shutil.which(program) is None:
                raise unittest.SkipTest(f"{program} is not installed")

    def client(self, *words: str) -> str:
        return run(layout.CLIENT_NAMESPACE, *words)

    def curl(self, *words: str) -> str:
        return self.client("curl", "-sS", "-m", "20", "--cacert", self.tls["ca"], "--resolve", f"{NAME}:443:{layout.VIP}",
                           "--resolve", f"{NAME}:{ECHO_TLS_PORT}:{layout.VIP}", *words)

    def test_each_version_balances_the_requests_of_one_connection(self) -> None:
        for url in self.names:
            for version in ("--http1.1", "--http2") if url.startswith("https") else ("--http1.1",):
                printed = self.curl(version, "-w", " %{http_version} %{num_connects}\n", f"{url}/[1-6]")
                self.assertEqual([printed.count(f"pod{number} ") for number in (1, 2)], [3, 3], printed)
                self.assertEqual(sum(int(line.split()[2]) for line in printed.splitlines()), 1, printed)
            self.assertRegex(self.curl("--http1.0", url), r"pod[12]")

    def test_uploads_in_chunks_by_length_and_after_100_continue(self) -> None:
        self.need("node")
        for url in self.bodies:
            for words in (("-H", "Expect:"), ("-H", "Expect:", "-H", "Transfer-Encoding: chunked"), ("-H", "Expect: 100-continue")):
                with self.subTest(f"{url} {words}"):
                    head = self.scratch / "head"
                    self.assertEqual(self.curl("--http1.1", *words, "-T", str(self.body), "-D", str(head), f"{url}/"), BODY)
                    framing = "chunked" if "chunked" in str(words) else "length"
                    self.assertIn(f"x-framing: {framing}", head.read_text())
                    self.assertEqual("100 Continue" in head.read_text(), "100-continue" in str(words))

    def test_large_uploads_right_behind_the_handshake(self) -> None:
        self.need("node")
        body = self.scratch / "large"
        body.write_text(BODY * 15)
        for url in self.bodies:
            for number in range(10):
                got = self.curl("--http1.1", "-H", "Expect:", "--data-binary", f"@{body}", f"{url}/")
                self.assertTrue(got == BODY * 15, f"{url} {number}: {len(got)} bytes")

    def test_HEAD_ranges_and_OPTIONS_of_the_server_itself(self) -> None:
        self.need("node")
        for url in self.bodies:
            self.assertIn(f"content-length: {http_pods.BIG}", self.curl("--http1.1", "-I", f"{url}/big"))
            self.assertIn("x-target: *", self.curl("--http1.1", "-i", "-X", "OPTIONS", "--request-target", "*", url))
            got = self.curl("--http1.1", "-i", "-X", "OPTIONS", "--request-target", f"http://{NAME}", url)
            self.assertIn("x-target: *", got, "the absolute form without a path is the server's (RFC 9112, 3.2.4)")

    def test_wrk(self) -> None:
        self.need("wrk")
        for url in self.names:
            printed = self.client("wrk", "-t", "1", "-c", "16", "-d", "1", url.replace(NAME, layout.VIP))
            self.assertRegex(printed, r"[1-9]\d+ requests in")
            self.assertNotRegex(printed, "Socket errors|Non-2xx", printed)

    def test_ab_with_and_without_kept_connections(self) -> None:
        self.need("ab")
        for url in self.names:
            for words, kept in ((("-k",), 400), ((), 0)):
                printed = self.client("ab", "-q", "-n", "400", "-c", "8", *words, f"{url.replace(NAME, layout.VIP)}/")
                self.assertRegex(printed, r"Complete requests: +400\nFailed requests: +0\n", printed)
                self.assertEqual(int((re.search(r"Keep-Alive requests: +(\d+)", printed) or [0, 0])[1]), kept, printed)

    def test_h2load_over_http_1_1(self) -> None:
        for url in self.names:
            printed = self.client("h2load", "--h1", "-n", "1000", "-c", "10", f"{url.replace(NAME, layout.VIP)}/")
            self.assertRegex(printed, r"status codes: 1000 2xx, 0 3xx, 0 4xx, 0 5xx", printed)

    def script(self, text: str, *modules: str) -> None:
        self.need("node")
        for module in modules:
            try:
                run(layout.CLIENT_NAMESPACE, "/usr/bin/python3", "-c", f"import {module}")
            except AssertionError:
                raise unittest.SkipTest(f"Python's {module} is not installed") from None
        urls = [url for pair in zip(self.names, self.bodies) for url in pair]
        self.client("/usr/bin/python3", "-c", text, self.tls["ca"], *urls)

    def test_requests(self) -> None:
        self.script(REQUESTS, "requests")

    def test_httpx_in_both_versions(self) -> None:
        self.script(HTTPX, "httpx", "h2")

    def test_aiohttp(self) -> None:
        self.script(AIOHTTP, "aiohttp")

    def test_websockets(self) -> None:
        self.script(WEBSOCKETS, "websockets")

    def test_http_agent_that_keeps_connections_and_ws(self) -> None:
        self.need("node")
        script = self.scratch / "client.js"
        script.write_text(NODE)
        urls = [url for pair in zip(self.names, self.bodies) for url in pair]
        printed = self.client("env", f"NODE_PATH={http_pods.NODE_MODULES}", "node", str(script), self.tls["ca"], *urls)
        if printed:
            print(printed)


if __name__ == "__main__":
    main()
