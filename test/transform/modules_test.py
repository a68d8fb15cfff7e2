"""Modules: forms of export and import, libraries and their names, what is refused when code is loaded."""
import pytest

from tool import Tool, event

LIBRARY = "let n = 0; export const b = 1, a = 2; export default () => 3; export function count() { return ++n; } export { b as c };"


@pytest.fixture
def tool(tmp_path):
    return Tool(tmp_path)


def outputs(tool, code, events=1, library=LIBRARY, name="my lib"):
    return tool.run(code, [event(n + 1) for n in range(events)], libraries=[{"name": name, "code": library}]).outputs


@pytest.mark.parametrize("code", [
    "export function transformEvent(e) { return { ok: 1 }; }", "export const transformEvent = (e) => ({ ok: 1 });",
    "export async function transformEvent(e) { return { ok: 1 }; }", "export let transformEvent; transformEvent = () => ({ ok: 1 });",
    "function transformEvent(e) { return { ok: 1 }; } export { transformEvent };", "function f(e) { return { ok: 1 }; } export { f as transformEvent };",
    "function f(e) { return { ok: 1 }; } export { f as 'transformEvent' };", "export const { transformEvent } = { transformEvent: () => ({ ok: 1 }) };",
    "export const transformEvent = null; export const transformBatch = () => [{ ok: 1 }];", "#!/usr/bin/env node\nexport const transformEvent = () => ({ ok: 1 });",
    "export default 1; export const more = 2; export const transformEvent = () => ({ ok: 1 });"])
def test_an_entry_function_can_be_exported_so(tool, code):
    assert outputs(tool, code) == [{"ok": 1}]


@pytest.mark.parametrize("code", ["export * from 'myLib';", "export { transformEvent } from 'myLib';", "import { transformEvent } from 'myLib'; export { transformEvent };"])
def test_an_entry_function_can_be_a_librarys(tool, code):
    assert outputs(tool, code, library="export const transformEvent = () => ({ ok: 1 });") == [{"ok": 1}]


@pytest.mark.parametrize("code", ["", "function transformEvent(e) { return e; }", "export default function transformEvent(e) { return e; }",
                                  "export function transformevent(e) { return e; }", "module.exports = { transformEvent: (e) => e };"])
def test_code_without_an_entry_function_is_refused_when_it_is_loaded(tool, code):
    answer = tool.check(code)
    assert answer.code == 1 and "Expected one of transformEvent,transformBatch" in answer.err


@pytest.mark.parametrize("code", ["export const transformEvent = 5;", "export const transformEvent = (e) => e, transformBatch = (e) => e;"])
def test_what_is_exported_is_looked_at_when_it_runs(tool, code):
    assert tool.check(code).code == 0
    answer = tool.run(code, [event(1), event(2)])
    assert answer.outcomes == ["failed", "failed"] and answer.causes == ["start"]


def test_every_form_of_import(tool):
    code = """import three, { a, b as one, c } from 'myLib'; import * as all from 'myLib'; import { default as same } from 'myLib'; import 'myLib';
    export function transformEvent(e) { return { a, one, c, three: three(), same: same === three, keys: Object.keys(all), n: all.count() }; }"""
    first, second = outputs(tool, code, events=2)
    assert first == {"a": 2, "one": 1, "c": 1, "three": 3, "same": True, "keys": ["a", "b", "c", "count", "default"], "n": 1}
    assert second["n"] == 2


def test_a_namespace_cannot_be_changed(tool):
    code = """import * as all from 'myLib';
    const refused = (act) => { try { act(); return false; } catch (x) { return x instanceof TypeError; } };
    export function transformEvent(e) { return { r: [() => { all.a = 9; }, () => { all.z = 9; }, () => { delete all.a; }].map(refused), a: all.a }; }"""
    assert outputs(tool, code) == [{"r": [True, True, True], "a": 2}]


@pytest.mark.parametrize("name, handle", [
    ("my lib", "myLib"), ("My-Lib", "myLib"), ("my_lib_v2", "myLibV2"), ("MYLib", "myLib"), ("MY LIB", "myLib"), ("lib2go", "lib2Go"),
    ("Anna's Bücher", "annasBucher"), ("café", "cafe"), ("@rs/hash/v1", "@rs/hash/v1")])
def test_a_library_is_imported_by_the_camel_case_of_its_name(tool, name, handle):
    assert outputs(tool, f"import {{ a }} from '{handle}'; export const transformEvent = () => ({{ a }});", name=name) == [{"a": 2}]


@pytest.mark.parametrize("code, library, text", [
    ("import { a } from 'other';", LIBRARY, "import from other failed. Module not found."),
    ("import { a } from './myLib';", LIBRARY, "import from ./myLib failed. Module not found."),
    ("import { z } from 'myLib';", LIBRARY, "does not provide an export named 'z'"),
    ("import d from 'myLib';", "export const a = 1;", "does not provide an export named 'default'"),
    ("import { a } from 'myLib';", "import { x } from 'x'; export const a = 1;", "import from x failed. Module not found."),
    ("import { a } from 'myLib';", "import { a } from 'myLib'; export { a };", "import from myLib failed. Module not found."),
    ("import { a } from 'myLib';", "export const a = ;", "SyntaxError"), ("await 1;", LIBRARY, "SyntaxError"), ("with ({}) {}", LIBRARY, "SyntaxError")])
def test_an_import_that_cannot_be_is_refused(tool, code, library, text):
    answer = tool.run(f"{code} export const transformEvent = (e) => e;", [event()], libraries=[{"name": "my lib", "code": library}])
    assert not answer.json["ok"] and text in answer.json["compile"]["refused"]["text"]


def test_a_library_that_nobody_imports_is_not_looked_at(tool):
    assert outputs(tool, "export const transformEvent = () => ({ ok: 1 });", library="this is no code") == [{"ok": 1}]


def test_a_library_that_throws_fails_the_batch(tool):
    answer = tool.run("import { a } from 'myLib'; export const transformEvent = (e) => e;", [event(1), event(2)],
                      libraries=[{"name": "my lib", "code": "throw new Error('broken'); export const a = 1;"}])
    assert answer.outcomes == ["failed", "failed"] and answer.errors[0].startswith("Error: broken\n    at library myLib:1:")


@pytest.mark.parametrize("code", [
    "function transform(events) { return events; }", "const transform = (events) => events;", "transform = (events) => events;",
    "globalThis.transform = async (events) => events;", "#!/x\nfunction transform(events) { undeclared = 1; with (events) { } return events; }"])
def test_a_script_is_sloppy_and_needs_a_global_transform(tool, code):
    assert tool.run(code, [event(1), event(2)], version="0").outcomes == ["unchanged", "unchanged"]


def test_a_script_has_the_globals_of_scripts(tool):
    code = "function transform(events) { return [{ g: ['metadata', 'getCredential', 'fetch', 'fetchV2', 'geolocation', 'log'].map((n) => typeof globalThis[n]) }]; }"
    assert tool.run(code, [event()], version="0").outputs == [{"g": ["function", "undefined", *["function"] * 4]}]
    module = "export const transformEvent = () => ({ g: [typeof metadata, typeof getCredential] });"
    assert tool.run(module, [event()]).outputs == [{"g": ["undefined", "function"]}]


@pytest.mark.parametrize("code", ["export function transform(e) { return e; }", "import { a } from 'myLib'; function transform(e) { return e; }"])
def test_a_script_has_no_modules(tool, code):
    assert not tool.run(code, [event()], version="0").json["ok"]
