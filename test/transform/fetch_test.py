"""fetch, fetchV2 and geolocation against a server of our own: what is sent, what comes back, what each failure is called."""
import gzip
import http.server
import json

import pytest

from tool import Tool, event, serving

REDIRECTS = {"/301": (301, "/echo"), "/302": (302, "/echo"), "/303": (303, "/echo"), "/307": (307, "/echo"), "/circle": (302, "/circle"),
             "/away": (302, "ftp://127.0.0.1/")}
ANSWERS = {"/text": (200, b"plain"), "/empty": (200, b""), "/number": (200, b"5"), "/null": (200, b"null"), "/error": (500, b'{"why": "x"}'),
           "/geoip/192.0.2.1": (200, b'{"city": "Here"}'), "/geoip/192.0.2.2": (404, b""), "/geoip/192.0.2.3": (200, b"no JSON")}


class Page(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, body, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(b"" if self.command == "HEAD" else body)

    def do_GET(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        if self.path in REDIRECTS:
            self.answer(REDIRECTS[self.path][0], b"elsewhere", Location=REDIRECTS[self.path][1])
        elif self.path in ANSWERS:
            self.answer(*ANSWERS[self.path])
        elif self.path == "/packed":
            self.answer(200, gzip.compress(b'{"packed": 1}'), Content_Encoding="gzip")
        elif self.path == "/unpackable":
            self.answer(200, b"this is not packed", Content_Encoding="gzip")
        elif self.path == "/half":
            self.send_response(200)
            self.send_header("Content-Length", "100")
            self.end_headers()
            self.wfile.write(b"5")
            self.close_connection = True
        elif self.path == "/slow":
            self.rfile.read(1)  # until the client has had enough
            self.close_connection = True
        else:
            headers = {name.lower(): ", ".join(self.headers.get_all(name)) for name in self.headers}
            self.answer(200, json.dumps({"method": self.command, "path": self.path, "headers": headers, "body": body}).encode())

    do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_GET

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def page():
    with serving(Page) as url:
        yield url


@pytest.fixture
def ask(tmp_path, page):
    """Both calls with the same arguments: (what fetchV2 gave or the message it was rejected with, what fetch gave)."""
    tool = Tool(tmp_path, fetch_private="true")

    def run(path, options="{}"):
        code = f"""export async function transformEvent(e) {{
            try {{ e.two = await fetchV2('{page}{path}', {options}); }} catch (x) {{ e.two = x.message; }}
            e.one = await fetch('{page}{path}', {options});
            return e; }}"""
        output = tool.run(code, [event()]).outputs[0]
        return output["two"], output["one"]

    return run


@pytest.mark.parametrize("path, status, two, one", [
    ("/text", 200, "plain", "ERROR"), ("/empty", 200, "", "ERROR"), ("/number", 200, 5, 5), ("/null", 200, None, None),
    ("/error", 500, {"why": "x"}, {"why": "x"}), ("/packed", 200, {"packed": 1}, {"packed": 1})])
def test_a_body_is_json_or_text(ask, path, status, two, one):
    whole, short = ask(path)
    assert (whole["status"], whole["body"], short) == (status, two, one)


@pytest.mark.parametrize("written, sent", [
    ("/a b?q=c d&r={\"x\":1}#e f", "/a%20b?q=c%20d&r={%22x%22:1}"), ("/é{x}", "/%C3%A9%7Bx%7D"), ("/a%20b%zz", "/a%20b%zz"),
    ("?q=é", "/?q=%C3%A9"), ("/a\\tb\\\\c?d\\\\e", "/ab/c?d\\e")])
def test_a_url_is_written_as_browsers_do(ask, written, sent):
    whole, _ = ask(written)
    assert whole["body"]["path"] == sent


@pytest.mark.parametrize("headers, seen", [
    ("{ 'X-A': 'b', 'X-N': 5, 'X-L': ['1', '2'], 'X-E': '' }", {"x-a": "b", "x-n": "5", "x-l": "1, 2", "x-e": ""}),
    ("[['X-A', '1'], ['x-a', '2'], ['X-B', 'c']]", {"x-a": "1, 2", "x-b": "c"}),
    ("{ 'user-agent': 'me', 'ACCEPT': 'a/b' }", {"user-agent": "me", "accept": "a/b"})])
def test_headers_arrive(ask, headers, seen):
    whole, _ = ask("/", f"{{ headers: {headers} }}")
    assert {name: whole["body"]["headers"].get(name) for name in seen} == seen


@pytest.mark.parametrize("headers", ["{ 'two words': 'x' }", "{ x: 'a\\nb' }", "{ '': 'x' }"])
def test_a_header_that_cannot_be_sent_is_not(ask, headers):
    whole, short = ask("/", f"{{ headers: {headers} }}")
    assert "header" in whole and short == "ERROR"


@pytest.mark.parametrize("path, options, method, body", [
    ("/301", "{ method: 'POST', body: 'b' }", "GET", ""), ("/303", "{ method: 'POST', body: 'b' }", "GET", ""),
    ("/302", "{ method: 'PUT', body: 'b' }", "PUT", "b"), ("/307", "{ method: 'POST', body: 'b' }", "POST", "b"), ("/302", "{}", "GET", "")])
def test_a_redirect_is_followed(ask, page, path, options, method, body):
    whole, _ = ask(path, options)
    assert whole["url"] == f"{page}/echo" and (whole["body"]["method"], whole["body"]["body"]) == (method, body)


@pytest.mark.parametrize("path, options", [
    ("/circle", "{}"), ("/circle", "{ follow: 3 }"), ("/301", "{ follow: 0 }"), ("/301", "{ redirect: 'error' }"), ("/away", "{}")])
def test_a_redirect_that_leads_nowhere_fails(ask, path, options):
    whole, short = ask(path, options)
    assert isinstance(whole, str) and short == "ERROR"


@pytest.mark.parametrize("options", ["{ size: 1n }", "(() => { const a = {}; a.a = a; return a; })()", "{ get body() { throw new Error('x'); } }"])
def test_options_that_have_no_text_fail_the_fetch(ask, options):
    whole, short = ask("/", options)
    assert isinstance(whole, str) and short == "ERROR"


def test_a_redirect_can_be_had_as_it_is(ask, page):
    whole, _ = ask("/301", "{ redirect: 'manual' }")
    assert (whole["url"], whole["status"], whole["headers"]["location"], whole["body"]) == (f"{page}/301", 301, "/echo", "elsewhere")


@pytest.mark.parametrize("path, options, text", [
    ("/slow", "{ timeout: 200 }", "time"), ("/half", "{}", "broke off"), ("/unpackable", "{}", "broke off"), ("/", "{ method: 'GET', body: 'x' }", "cannot have body"), ("/", "{ method: 'WEIRD' }", "method")])
def test_a_failure_says_why(ask, path, options, text):
    whole, short = ask(path, options)
    assert text in whole and short == "ERROR"


@pytest.mark.parametrize("url, text", [
    ("undefined", "fetch url is required"), ("null", "fetch url is required"), ("' '", "fetch url is required"), ("0", "fetch url is required"),
    ("7", "invalid url, Invalid URL"), ("{}", "invalid url, Invalid URL"), ("'//x/'", "invalid url, Invalid URL"),
    ("'http://a b/'", "invalid url, Invalid URL"), ("'file:///x'", "invalid protocol, only http and https are supported"),
    ("'http://nowhere.invalid/x'", "unable to resolve IP address for nowhere.invalid")])
def test_a_url_that_is_none(tmp_path, url, text):
    code = f"export async function transformEvent(e) {{ try {{ await fetchV2({url}); }} catch (x) {{ e.m = x.message; }} return e; }}"
    assert Tool(tmp_path).run(code, [event()]).outputs[0]["m"] == text


@pytest.mark.parametrize("address, told", [
    ("'192.0.2.1'", {"city": "Here"}), ("'192.0.2.2'", "request to fetch geolocation failed with status code: 404"),
    ("'192.0.2.3'", "the geolocation service gave no JSON"), ("''", "ip address is required"), ("undefined", "ip address is required"),
    ("5", "invalid ip address"), ("'192.0.2'", "invalid ip address"), ("'name'", "invalid ip address"), ("{}", "invalid ip address")])
def test_geolocation_by_a_service(tmp_path, page, address, told):
    code = f"export async function transformEvent(e) {{ try {{ e.g = await geolocation({address}); }} catch (x) {{ e.g = x.message; }} return e; }}"
    assert Tool(tmp_path, geolocation_url=page).run(code, [event()]).outputs[0]["g"] == told
