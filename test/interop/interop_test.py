"""Clients that others wrote, unchanged, over the wire; each test asserts what arrives at the sink. Run by `make interop`."""
import functools
import http.server
import os
import pathlib
import subprocess
import sys
import threading

import pytest
from sluice import webhook, workspace

INSTALLED = pathlib.Path(os.environ.get("INTEROP_DIR", "/nonexistent"))
HERE = pathlib.Path(__file__).resolve().parent
pytestmark = pytest.mark.skipif(not INSTALLED.exists(), reason="run through `make interop`, which installs the clients")


@pytest.fixture
def server(serve, sink):
    made = serve(workspace([webhook("hook", sink.url)]))
    made.sink = sink
    made.url = f"http://127.0.0.1:{made.port}"
    return made


def run(*command, env=None):
    done = subprocess.run([str(part) for part in command], capture_output=True, timeout=90, check=False, env={**os.environ, **(env or {})},
                          cwd=INSTALLED / "node")
    assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()


def assert_six_calls(server):
    """One of each kind, with the fields that the caller gave."""
    server.sink.wait_accepted(6)
    server.settle()
    assert len(server.sink.arrivals) == 6, "each call once"
    events = {arrival.json["type"]: arrival.json for arrival in server.sink.accepted}
    assert sorted(events) == ["alias", "group", "identify", "page", "screen", "track"]
    assert events["track"]["event"] == "Order Completed" and events["track"]["properties"]["total"] == 12.5
    assert (events["identify"].get("traits") or events["identify"]["context"]["traits"])["plan"] == "pro"
    assert events["alias"]["previousId"] == "old" and events["group"]["groupId"] == "g1"
    assert events["page"]["name"] == "Home" and events["screen"]["name"] == "Main"
    for event in events.values():
        assert event["messageId"] and event["rudderId"] and event["receivedAt"] and event["request_ip"] == "127.0.0.1"
    server.assert_conserved()


@pytest.mark.parametrize("gzip", ["true", "false"])
def test_rudder_node_delivers_its_six_calls(server, gzip):
    run("node", "rudder.mjs", server.url, "wk_web", gzip)
    assert_six_calls(server)


def test_segment_node_delivers_its_six_calls(server):
    run("node", "segment.mjs", server.url, "wk_web")
    assert_six_calls(server)


@pytest.mark.parametrize("client", ["rudder", "segment"])
def test_python_client_delivers_its_six_calls(server, client):
    run(sys.executable, HERE / "python" / f"send_{client}.py", server.url, "wk_web", env={"PYTHONPATH": str(INSTALLED / "python")})
    assert_six_calls(server)


@pytest.mark.parametrize("client", ["rudder", "segment"])
def test_go_client_delivers_its_six_calls(server, client):
    run(INSTALLED / "go" / client, server.url, "wk_web")
    assert_six_calls(server)


RUDDER_PAGE = """<!doctype html><script src="/node_modules/@rudderstack/analytics-js/dist/npm/modern/bundled/umd/index.js"></script><script>
const client = new rudderanalytics.RudderAnalytics();
client.load('wk_web', '%(url)s', {configUrl: '%(url)s'});
client.ready(() => { window.interopDone = true; });
client.identify('ann', {plan: 'pro'});
client.track('Order Completed', {total: 12.5});
client.page('docs', 'Home');
client.group('g1', {name: 'G'});
client.alias('ann', 'old');
</script>"""

SEGMENT_PAGE = """<!doctype html><script src="/node_modules/@segment/analytics-next/dist/umd/index.js"></script><script>
(async () => {
  const [client] = await window.AnalyticsNext.AnalyticsBrowser.load({writeKey: 'wk_web', cdnURL: '%(url)s'});
  await client.identify('ann', {plan: 'pro'});
  await client.track('Order Completed', {total: 12.5});
  await client.page('docs', 'Home');
  await client.group('g1', {name: 'G'});
  await client.alias('ann', 'old');
  window.interopDone = true;
})();
</script>"""


class Pages(http.server.SimpleHTTPRequestHandler):
    """Serves the installed packages and one page."""
    page = b""

    def do_GET(self):
        if self.path == "/page.html":
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(self.page)
        else:
            super().do_GET()

    def log_message(self, *_):
        pass


@pytest.fixture
def open_page():
    """Serves a page from another origin than Sluice (so that CORS is exercised) and opens it in Chromium."""
    started = []

    def make(text):
        handler = functools.partial(type("OnePage", (Pages,), {"page": text.encode()}), directory=str(INSTALLED / "node"))
        httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        started.append(httpd)
        run("node", "browser.mjs", f"http://127.0.0.1:{httpd.server_port}/page.html", "/usr/bin/chromium")
    yield make
    for httpd in started:
        httpd.shutdown()
        httpd.server_close()


def assert_five_calls(server):
    server.sink.wait(lambda: {a.json["type"] for a in server.sink.accepted} >= {"identify", "track", "page", "group", "alias"}, "the five calls")
    events = {arrival.json["type"]: arrival.json for arrival in server.sink.accepted}
    assert events["track"]["event"] == "Order Completed" and events["track"]["properties"]["total"] == 12.5
    assert (events["identify"].get("traits") or events["identify"]["context"]["traits"])["plan"] == "pro"
    assert events["page"]["name"] == "Home" and events["group"]["groupId"] == "g1"
    assert all(event["anonymousId"] and event["rudderId"] for event in events.values())
    server.assert_conserved()


def test_rudder_in_a_browser_loads_its_settings_and_delivers(server, open_page):
    open_page(RUDDER_PAGE % {"url": server.url})
    assert_five_calls(server)


def test_segment_in_a_browser_loads_its_settings_and_delivers(server, open_page):
    open_page(SEGMENT_PAGE % {"url": server.url})
    assert_five_calls(server)


