"""Code that means harm, or is only broken: it fails by itself, with the reason, and its neighbours do not notice."""
import http.server
import time

import pytest

from tool import Tool, event, serving

BUDGET_S = 0.3


@pytest.fixture
def tool(tmp_path):
    return Tool(tmp_path, cpu_time="300ms", memory="256MiB")


LOOPS = {
    "sync": "while (true) {}",
    "after_await": "return (async () => { await null; for (;;) { try { for (;;); } catch (x) { } } })();",
    "try_catch_finally": "for (;;) { try { while (true) {} } catch (e) { continue; } finally { continue; } }",
    "promise_chain": "const again = () => Promise.resolve().then(again); return again();",
    "async_loop": "return (async () => { for (;;) { await null; } })();",
    "getter": "return { get a() { for (;;) {} } };",
    "to_json": "class A { toJSON() { for (;;) {} } } return new A();",
    "proxy": "return new Proxy({}, { ownKeys() { for (;;) {} } });",
    "regex": "/^(a+)+$/.test('a'.repeat(60) + 'b'); /^(a|aa)+$/.test('a'.repeat(80) + 'b'); for (;;) /(x+x+)+y/.test('x'.repeat(40));",
    "stringify": "const big = Array.from({ length: 500000 }, (_, i) => ({ i, s: 'x'.repeat(20) })); for (;;) JSON.stringify(big);",
    "sort": "const a = [3, 2, 1]; a.sort(() => { for (;;) {} });",
    "atomics_wait": "const a = new Int32Array(new SharedArrayBuffer(4)); Atomics.wait(a, 0, 0); for (;;) {}",
    "generator": "return [...(function* () { for (;;) yield 0; })()];",
}


@pytest.mark.parametrize("name", LOOPS)
def test_an_endless_loop_fails_its_event_and_no_other(tool, name):
    code = f"export function transformEvent(e) {{ if (e.event === 'e3') {{ {LOOPS[name]} }} return e; }}"
    answer = tool.run(code, [event(n) for n in range(1, 9)])
    assert answer.outcomes == ["unchanged"] * 2 + ["failed"] + ["unchanged"] * 5, answer.json
    assert set(answer.causes) <= {"cpu", "killed_cpu", "memory", "throw", "json"}, answer.causes


def test_others_wait_no_longer_than_one_more_budget_for_one_culprit(tool):
    code = "export function transformEvent(e) { if (e.event === 'e50') { const f = () => Promise.resolve().then(f); return f(); } return e; }"
    began = time.monotonic()
    answer = tool.run(code, [event(n) for n in range(1, 101)])
    assert answer.outcomes.count("unchanged") == 99
    # the batch until its kill, the culprit alone until its kill, and the starts of three workers
    assert time.monotonic() - began < 2 * (1.5 * BUDGET_S + 0.3) + 3


def test_two_kinds_of_loops_in_one_batch_spare_the_rest(tool):
    code = """class Late { toJSON() { for (;;) {} } }
    export function transformEvent(e) { if (e.event === 'e2') return new Late(); if (e.event === 'e4') for (;;) {} return e; }"""
    answer = tool.run(code, [event(n) for n in range(1, 7)])
    assert answer.outcomes == ["unchanged", "failed", "unchanged", "failed", "unchanged", "unchanged"], answer.json


def test_a_loop_at_the_top_of_the_module_fails_the_batch(tool):
    answer = tool.run("for (;;) {}\nexport function transformEvent(e) { return e; }", [event(1), event(2)])
    assert answer.outcomes == ["failed", "failed"]


BOMBS = {
    "array": "const a = []; for (;;) a.push(new Array(100000).fill(1.5));",
    "string": "let s = 'x'.repeat(1 << 20); const a = []; for (let i = 0; ; i++) { a.push((s + i).split('')); }",
    "buffers": "const a = []; for (;;) { const b = new Uint8Array(1 << 24); b.fill(1); a.push(b); }",
    "objects": "let o = null; for (;;) o = { o, x: [1, 2, 3] };",
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_memory_bomb_fails_its_event_and_no_other(tmp_path, name):
    tool = Tool(tmp_path, cpu_time="4s", memory="256MiB")
    code = f"export function transformEvent(e) {{ if (e.event === 'e2') {{ {BOMBS[name]} }} return e; }}"
    answer = tool.run(code, [event(n) for n in range(1, 5)])
    assert answer.outcomes == ["unchanged", "failed", "unchanged", "unchanged"], answer.json
    assert answer.causes[0] in ("memory", "throw"), answer.causes


def test_endless_recursion_is_an_error_of_its_event(tool):
    answer = tool.run("export function transformEvent(e) { if (e.event === 'e1') { const f = () => f() + 1; f(); } return e; }",
                      [event(1), event(2)])
    assert answer.outcomes == ["failed", "unchanged"]
    assert answer.errors[0].startswith("RangeError")


POLLUTION = {
    "object": "Object.prototype.polluted = 'yes';",
    "proto": "e.__proto__.polluted = 'yes';",
    "array_map": "Array.prototype.map = () => ['polluted'];",
    "string": "String.prototype.trim = () => 'polluted';",
    "json": "JSON.stringify = () => '{\"polluted\":1}'; JSON.parse = () => ({ polluted: 1 });",
    "promise": "Promise.prototype.then = function () { return 'polluted'; };",
    "getter": "Object.defineProperty(Object.prototype, 'polluted', { get() { return 'yes'; }, configurable: true });",
    "global": "globalThis.Object = function () { return 'polluted'; };",
    "delete": "for (const key of Object.getOwnPropertyNames(globalThis)) { try { delete globalThis[key]; } catch (x) { } }",
}
PROBE = """e.probe = [typeof ({}).polluted, [1].map((x) => x)[0], ' a '.trim(), JSON.stringify({}), typeof Object.keys, typeof Map];"""


@pytest.mark.parametrize("name", POLLUTION)
def test_what_one_event_does_to_the_language_the_next_does_not_see(tool, name):
    code = f"export function transformEvent(e) {{ if (e.event === 'e1') {{ {POLLUTION[name]} return e; }} {PROBE} return e; }}"
    for _ in range(2):
        answer = tool.run(code, [event(n) for n in range(1, 5)])
        clean = ["undefined", 1, "a", "{}", "function", "function"]
        assert [output["probe"] for output in answer.outputs if output["messageId"] != "m1"] == [clean] * 3, answer.json


def test_a_later_batch_sees_nothing_of_an_earlier_one(tool):
    code = """let n = 0;
    export function transformEvent(e) { e.n = ++n; e.g = globalThis.left; globalThis.left = 'here'; e.p = ({}).p; return e; }"""
    answer = tool.run(code, [event(n) for n in range(1, 402)])
    firsts = [answer.outputs[0], answer.outputs[200], answer.outputs[400]]
    assert [first["n"] for first in firsts] == [1, 1, 1]
    assert all("g" not in first for first in firsts)


@pytest.mark.parametrize("thrown", ["'text'", "{a: 1}", "null", "undefined", "42n", "Symbol('s')", "() => 1",
                                    "{get stack() { throw 1; }}", "new Proxy({}, {get() { throw 2; }})",
                                    "(() => { const a = {}; a.a = a; return a; })()"])
def test_anything_can_be_thrown(tool, thrown):
    answer = tool.run(f"export function transformEvent(e) {{ if (e.event === 'e1') throw {thrown}; return e; }}",
                      [event(1), event(2)])
    assert answer.outcomes == ["failed", "unchanged"] and answer.causes == ["throw"]


@pytest.mark.parametrize("returned, cause", [
    ("(() => { e.self = e; return e; })()", "json"), ("{ ...e, b: 10n }", "json"), ("{ ...e, f: () => 1 }", "clone"),
    ("{ ...e, s: Symbol('x') }", "clone"), ("{ toJSON() { return undefined; } }", "clone"), ("{ get a() { throw new Error('x'); } }", "json"),
    ("'text'", "return"), ("7", "return"), ("[1]", "return"), ("new Map()", "return"),
    ("{ ...e, big: 'x'.repeat(10 << 20) }", "output")])
def test_a_wrong_return_fails_its_event_only(tool, returned, cause):
    answer = tool.run(f"export function transformEvent(e) {{ if (e.event === 'e1') return {returned}; return e; }}",
                      [event(1), event(2)])
    assert answer.outcomes == ["failed", "unchanged"] and answer.causes == [cause], answer.json


def test_a_10_mb_string_that_is_not_returned_hurts_nobody(tool):
    answer = tool.run("export function transformEvent(e) { e.n = ('x'.repeat(10 << 20) + e.event).length; return e; }",
                      [event(1), event(2)])
    assert [output["n"] for output in answer.outputs] == [(10 << 20) + 2] * 2


@pytest.mark.parametrize("url, address", [
    ("http://127.0.0.1:1/", "127.0.0.1"), ("http://10.0.0.1/", "10.0.0.1"), ("http://me:word@192.168.1.1/", "192.168.1.1"),
    ("http://169.254.169.254/latest/meta-data", "169.254.169.254"), ("http://[::1]/", "::1"),
    ("http://[::ffff:127.0.0.1]/", "127.0.0.1"), ("http://0.0.0.0/", "0.0.0.0"), ("http://100.64.0.1/", "100.64.0.1"),
    ("http://2130706433/", "127.0.0.1"), ("http://0x7f.1/", "127.0.0.1"), ("http://127.1?q", "127.0.0.1")])
def test_fetch_of_a_private_address_is_refused(tool, url, address):
    code = f"export async function transformEvent(e) {{ try {{ await fetchV2('{url}'); }} catch (x) {{ e.m = x.message; }} " \
           f"e.v1 = await fetch('{url}'); return e; }}"
    output = tool.run(code, [event()]).outputs[0]
    assert output["m"] == f"blocked request to non-public address: {address}" and output["v1"] == "ERROR"


def test_fetch_of_a_name_of_a_private_address_is_refused(tool):
    code = "export async function transformEvent(e) { try { await fetchV2('http://localhost/'); } catch (x) { e.m = x.message; } return e; }"
    assert tool.run(code, [event()]).outputs[0]["m"] == "cannot use 127.0.0.1 as IP address for localhost"


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/redirect":
            self.send_response(302)
            self.send_header("Location", "/json")
        elif self.path == "/long":
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"x" * 100_000)
            return
        else:
            self.send_response(200)
            self.send_header("X-Seen", self.headers.get("X-Ask", ""))
        self.end_headers()
        self.wfile.write(b'{"answer": 42}')

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(201)
        self.end_headers()
        self.wfile.write(b"got " + body)

    def log_message(self, *_):
        pass


@pytest.fixture
def page():
    with serving(Page) as url:
        yield url


def test_fetch_gives_json_and_fetch_v2_the_whole_answer(tmp_path, page):
    tool = Tool(tmp_path, fetch_private="true")
    code = f"""export async function transformEvent(e) {{
        e.a = await fetch('{page}/json');
        e.b = await fetchV2(' {page}/redirect ', {{ headers: {{ 'X-Ask': 'me' }} }});
        e.c = await fetchV2('{page}/x', {{ method: 'post', body: 'hello' }});
        return e; }}"""
    output = tool.run(code, [event()]).outputs[0]
    assert output["a"] == {"answer": 42}
    assert (output["b"]["status"], output["b"]["body"], output["b"]["url"]) == (200, {"answer": 42}, f"{page}/json")
    assert output["b"]["headers"]["x-seen"] == "me"
    assert (output["c"]["status"], output["c"]["body"]) == (201, "got hello")


def test_fetches_of_one_batch_are_open_side_by_side(tmp_path, page):
    tool = Tool(tmp_path, fetch_private="true")
    code = f"export async function transformEvent(e) {{ e.a = (await fetch('{page}/json')).answer; return e; }}"
    answer = tool.run(code, [event(n) for n in range(1, 101)])
    assert [output["a"] for output in answer.outputs] == [42] * 100


def test_an_answer_beyond_the_ceiling_fails_the_fetch(tmp_path, page):
    tool = Tool(tmp_path, fetch_private="true", fetch_bytes="10KiB")
    code = f"export async function transformEvent(e) {{ try {{ await fetchV2('{page}/long'); }} catch (x) {{ e.m = x.message; }} return e; }}"
    assert "transform.fetch_bytes" in tool.run(code, [event()]).outputs[0]["m"]


def test_waiting_for_nothing_ends_at_once(tool):
    began = time.monotonic()
    answer = tool.run("export function transformEvent(e) { return e.event === 'e1' ? new Promise(() => {}) : e; }", [event(1), event(2)])
    assert answer.outcomes == ["failed", "unchanged"] and answer.causes == ["pending"]
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("expression", ["typeof process", "typeof require", "typeof setTimeout", "typeof WebAssembly", "typeof Deno",
                                        "typeof XMLHttpRequest", "typeof $vm", "typeof load", "typeof readFile", "typeof print"])
def test_there_is_nothing_to_get_out_by(tool, expression):
    assert tool.run(f"export function transformEvent(e) {{ e.t = {expression}; return e; }}", [event()]).outputs[0]["t"] == "undefined"
