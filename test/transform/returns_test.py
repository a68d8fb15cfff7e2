"""What code may return and throw, and what becomes of each event: the original's rules, on our own events."""
import pytest

from tool import Tool, event

EVENTS = [event(1), event(2)]


@pytest.fixture
def tool(tmp_path):
    return Tool(tmp_path)


def each(returned):
    """The first event returns something, the second itself."""
    return f"export async function transformEvent(e) {{ return e.event === 'e1' ? {returned} : e; }}"


@pytest.mark.parametrize("returned", ["null", "undefined", "[]", "Promise.resolve(null)", "Promise.resolve([])"])
def test_nothing_is_a_drop(tool, returned):
    assert tool.run(each(returned), EVENTS).outcomes == ["dropped", "unchanged"]


@pytest.mark.parametrize("returned, output", [
    ("[{ a: 1 }]", {"a": 1}), ("{}", {}), ("Object.assign(Object.create(null), { a: 1 })", {"a": 1}),
    ("new (class { a = 1; get b() { return 2; } m() {} })()", {"a": 1}), ("{ get a() { return 1; } }", {"a": 1}),
    ("{ then: 5 }", {"then": 5}), ("{ then(done) { done({ a: 1 }); } }", {"a": 1}),
    ("Object.assign(() => 1, { then(done) { done({ a: 1 }); } })", {"a": 1}),
    ("(() => { function A() { this.a = 1; } A.prototype.m = function () {}; return { a: new A() }; })()", {"a": {"a": 1}}),
    ("{ a: [undefined, NaN, -0, 1 / 0, new Date(0), new Date(NaN), /x/, new Set([1])] }",
     {"a": [None, None, 0, None, "1970-01-01T00:00:00.000Z", None, {}, {}]}),
])
@pytest.mark.parametrize("events", [EVENTS, EVENTS[:1]], ids=["two", "alone"])
def test_what_is_an_object_is_an_event(tool, returned, output, events):
    results = tool.run(each(returned), events).results
    assert [row["output"] for row in results if row["index"] == 0] == [output]


@pytest.mark.parametrize("returned", [
    "0", "''", "false", "10n", "Symbol('s')", "() => 1", "new Date()", "new Set()", "new Error('e')", "new String('s')", "JSON",
    "[null]", "[undefined]", "[e, [e]]", "[e, 5]", "[, e]", "[Promise.resolve(e)]", "Promise.resolve('x')"])
def test_what_is_no_object_fails(tool, returned):
    answer = tool.run(each(returned), EVENTS)
    assert answer.outcomes == ["failed", "unchanged"] and answer.causes == ["return"]


@pytest.mark.parametrize("held", [
    "Promise.resolve(1)", "geolocation('192.0.2.1')", "new WeakMap()", "new WeakRef({})", "[1].values()", "new Map().keys()",
    "new Set().values()", "'a'.matchAll(/a/g)", "(function* () {})()", "(async function* () {})()", "[[() => 1]]",
    "{ deep: Promise.resolve() }", "class {}"])
@pytest.mark.parametrize("events", [EVENTS, EVENTS[:1]], ids=["two", "alone"])
def test_what_cannot_be_copied_fails_its_event(tool, held, events):
    answer = tool.run(each(f"{{ ...e, held: {held} }}"), events)
    assert answer.outcomes == ["failed", "unchanged"][:len(events)] and answer.causes == ["clone"], answer.json


def test_a_function_whose_text_cannot_be_had_fails_its_event(tool):
    answer = tool.run(each("{ held: Object.assign(() => 1, { toString() { throw new Error('no text'); } }) }"), EVENTS)
    assert answer.outcomes == ["failed", "unchanged"] and "no text" in answer.errors[0]


def test_code_that_writes_json_sees_what_it_always_saw(tool):
    code = "export function transformEvent(e) { e.text = JSON.stringify([Promise.resolve(), () => 1, { f() {} }, [].keys()]); return e; }"
    assert tool.run(code, EVENTS).outputs[0]["text"] == "[{},null,{},{}]"


@pytest.mark.parametrize("version, head", [("1", "export function transformBatch"), ("1", "export async function transformBatch"),
                                           ("0", "function transform"), ("0", "async function transform")])
@pytest.mark.parametrize("body", ["throw new Error('all')", "return Promise.reject(new Error('all'))", "throw 'all'"])
def test_a_throw_of_a_batch_fails_all_of_it(tool, version, head, body):
    answer = tool.run(f"{head}(events) {{ {body}; }}", EVENTS, version=version)
    assert answer.outcomes == ["failed", "failed"] and len(answer.errors) == 1 and "all" in answer.errors[0]
    assert [row["index"] for row in answer.results] == [None]


@pytest.mark.parametrize("returned", ["undefined", "null", "{}", "'x'", "new Set(events)", "{ length: 0 }"])
@pytest.mark.parametrize("head", ["export function transformBatch", "export async function transformBatch"])
def test_a_batch_that_is_no_list_fails_all_of_it(tool, head, returned):
    answer = tool.run(f"{head}(events) {{ return {returned}; }}", EVENTS)
    assert answer.outcomes == ["failed", "failed"] and answer.causes == ["batch"]


def test_elements_of_a_batch_are_matched_by_message_id(tool):
    code = """export async function transformBatch(events, metadata) {
        return [events[1], { type: 'track' }, { messageId: 'other' }, events[1], 5];
    }"""
    answer = tool.run(code, [*EVENTS, event(3)])
    assert [row["index"] for row in answer.results] == [1, None, None, 1, None]
    assert answer.outcomes == ["failed", "split", "failed"] and answer.causes == ["return"]


def test_events_that_share_a_message_id_each_have_their_output(tool):
    code = "export function transformBatch(events) { return events.map((e, n) => ({ ...e, n })).concat(events[0]); }"
    answer = tool.run(code, [event(1), event(2), event(1)])
    assert [row["index"] for row in answer.results] == [0, 1, 2, 2] and answer.outcomes == ["changed", "changed", "split"]


def test_metadata_is_found_by_the_message_id_of_the_moment(tool):
    code = """export function transformEvent(e, metadata) {
        const before = metadata(e).jobId;
        e.seen = [before, metadata({ messageId: 'm2' }).jobId];
        e.messageId = 'new';
        e.none = [metadata(e), metadata(), metadata(null), metadata('m1'), metadata({})].map((each) => each.jobId === undefined);
        return e;
    }"""
    items = [{"message": each, "metadata": {"messageId": each["messageId"], "jobId": n}} for n, each in enumerate(EVENTS, 1)]
    outputs = tool.run(code, items).outputs
    assert [output["seen"] for output in outputs] == [[1, 2], [2, 2]]
    assert outputs[0]["none"] == [True] * 5


@pytest.mark.parametrize("stack, frames", [("'Error: m: x: y'", ""), ("'Error: m\\n    at f (file:1:2)'", "\n    at f (file:1:2)"), ("''", ""), ("5", None)])
def test_a_stack_that_code_wrote_is_shown_as_it_is(tool, stack, frames):
    answer = tool.run(f"export function transformEvent(e) {{ throw Object.assign(new Error('m: x: y'), {{ stack: {stack} }}); }}", [event()])
    assert answer.causes == ["throw"] and (frames is None or answer.errors == [f"Error: m: x: y{frames}"])


def test_what_fetch_v2_rejects_with_can_be_put_into_an_event(tool):
    code = """export async function transformEvent(e) {
        try { await fetchV2(); } catch (x) { e.x = x; e.text = `${x}`; e.error = x instanceof Error; }
        return e;
    }"""
    output = tool.run(code, EVENTS).outputs[0]
    assert output["x"]["message"] == "fetch url is required" and "stack" in output["x"]
    assert output["text"] == "Error: fetch url is required" and output["error"]
