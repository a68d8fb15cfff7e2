"""`sluice transform test` and `check`: saved cases, and the page about them."""
import json
import pathlib
import re

import pytest

from tool import Tool, event

PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs" / "transformations.md"
CODE = "export function transformEvent(e) { if (e.bad) throw new Error('bad one'); log(e.event); return { ...e, n: 1 }; }"


@pytest.fixture
def tool(tmp_path):
    return Tool(tmp_path)


def try_case(tool, **case):
    (tool.folder / "case.json").write_text(json.dumps({"code": CODE, "events": [event(1), event(2, bad=True)], **case}))
    return tool.call("test", "case.json")


GOOD = {"events": [{"output": event(1, n=1.0)}, {"error": "bad one"}], "logs": ["Log: e1"]}


def test_the_case_in_the_manual_passes(tool):
    page = PAGE.read_text()
    case = re.search(r"<!-- case: a test runs it -->\n```json\n(.*?)```", page, re.S).group(1)
    (tool.folder / "case.json").write_text(case)
    answer = tool.call("test", "case.json")
    assert answer.code == 0, answer.json


def test_the_code_in_the_manual_runs(tool):
    code = re.search(r"```js\n(.*?)```", PAGE.read_text(), re.S).group(1)
    answer = tool.run(code, [event(1, event="Heartbeat"), event(2), event(3, userId="u", context={"traits": {"email": "x", "a": 1}})],
                      metadata={"sourceName": "web"})
    assert answer.outcomes == ["dropped", "failed", "changed"]
    assert answer.outputs[0]["context"] == {"traits": {"a": 1}} and answer.outputs[0]["properties"] == {"source": "web"}


def test_a_good_case_passes(tool):
    answer = try_case(tool, expect=GOOD)
    assert answer.code == 0 and answer.json[0]["passed"], answer.json


@pytest.mark.parametrize("expect, text", [
    ({"events": [{"output": event(1, n=2)}, {"error": ""}]}, "event 1: n is 1; expected 2"),
    ({"events": [{"output": event(1)}, {"error": ""}]}, "event 1: n is 1; expected absent"),
    ({"events": [{"dropped": True}, {"error": ""}]}, "event 1: it came out"),
    ({"events": [{}, {"error": "other"}]}, "event 2: Error: bad one"),
    ({"events": [{"error": "x"}, {"error": ""}]}, "event 1: no error"),
    ({"events": [{}]}, "event 2: Error: bad one"),
    ({}, "event 2: Error: bad one"),
    ({**GOOD, "logs": ["Log: other"]}, "log 1: Log: e1"),
    ({**GOOD, "logs": []}, "log 1: Log: e1"),
    ({**GOOD, "new": [{}]}, "new events: 0 outputs; 1 were expected"),
    ({"compile": "SyntaxError"}, "compile: no error"),
])
def test_a_case_that_expects_something_else_fails_and_says_what(tool, expect, text):
    answer = try_case(tool, expect=expect)
    assert answer.code == 1 and text in answer.json[0]["text"], answer.json


def test_an_exchange_that_nobody_asks_for_fails_the_case(tool):
    answer = try_case(tool, expect=GOOD, http=[{"request": {"url": "http://x/"}, "response": {}}])
    assert answer.code == 1 and "http 1" in answer.json[0]["text"]


def test_a_request_without_an_exchange_is_not_made(tool):
    code = "export async function transformEvent(e) { await fetchV2('http://127.0.0.1:9/'); return e; }"
    answer = try_case(tool, code=code, events=[event()], expect={"events": [{"error": "the case has no answer for GET http://127.0.0.1:9/"}]})
    assert answer.code == 0, answer.json


def test_code_beside_the_case_and_libraries_from_files(tool):
    (tool.folder / "main.js").write_text("import { one } from 'my lib'; export function transformEvent(e) { return { ...e, n: one }; }")
    (tool.folder / "lib.js").write_text("export const one = 1;")
    case = {"file": "main.js", "libraries": [{"name": "my lib", "file": "lib.js"}], "events": [event()],
            "expect": {"events": [{"output": event(n=1)}]}}
    (tool.folder / "sub.json").write_text(json.dumps(case))
    answer = tool.call("test", ".")
    assert answer.code == 0, answer.json


def test_code_that_does_not_parse_is_shown_with_its_place(tool):
    answer = tool.check("const a = 1;\nexport function transformEvent(e) {\n  return e..a;\n}\n")
    assert answer.code == 1
    assert answer.err.split("\n")[:3] == ["code.js:3:12: SyntaxError: Unexpected token", "      return e..a;", " " * 15 + "^"]


@pytest.mark.parametrize("code, names", [
    ("export const transformEvent = 1, b = 2; export default 3; export { b as c };", ["transformEvent", "b", "default", "c"]),
    ("export const { a, x: { y }, ...rest } = {}, [z = 1] = [];", ["a", "y", "rest", "z"]),
    ("export class K {} export async function f() {} export default class {}", ["K", "f", "default"]),
])
def test_exports_are_named(tool, code, names):
    assert tool.check(code, "library").json["exports"] == names


def test_positions_survive_the_rewriting(tool):
    code = "import { f } from 'lib'; export const a = 1; export function transformEvent(e) { return f(e); }"
    answer = tool.run(code, [event()], libraries=[{"name": "lib", "code": "export default 7; export function f(e) { throw new Error('here'); }"}])
    assert answer.errors == ["Error: here\n    at f (library lib:1:57)\n    at transformEvent (base transformation:1:90)"]
