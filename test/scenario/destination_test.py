"""Destinations as data: their cases, the manual's example, and one that is added at run time and delivers."""
import json
import os
import re
import subprocess

import pytest
from sink import Answer
from sluice import BINARY, ROOT, workspace

FOLDERS = sorted(path.parent for path in ROOT.glob("destinations/*/definition.json"))


def dest(*words):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SLUICE_")}
    return subprocess.run([BINARY, "dest", *map(str, words)], capture_output=True, text=True, env=environment)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_the_cases_of_a_destination_pass(folder):
    done = dest("test", folder)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_example_of_the_manual_works(tmp_path):
    manual = (ROOT / "docs/destinations.md").read_text()
    examples = dict(re.findall(r"<!-- example: ([\w./]+) -->\n```\w+\n(.*?)```", manual, re.S))
    (tmp_path / "cases").mkdir()
    (tmp_path / "definition.json").write_text(examples["definition.json"])
    (tmp_path / "cases" / "example.json").write_text(examples["case"])
    done = dest("test", tmp_path)
    assert done.returncode == 0 and "1 passed, 0 failed" in done.stdout, done.stdout + done.stderr
    broken = json.loads(examples["case"])
    broken["expect"]["requests"][0]["body"]["items"][0]["value"] = 26
    (tmp_path / "cases" / "example.json").write_text(json.dumps(broken))
    done = dest("test", tmp_path)
    assert done.returncode == 1 and "value: expected 26, got 25" in done.stdout, done.stdout + done.stderr


def test_the_example_with_code_of_the_manual_works(tmp_path):
    manual = (ROOT / "docs/destinations.md").read_text()
    examples = dict(re.findall(r"<!-- example: code/([\w.]+) -->\n```\w+\n(.*?)```", manual, re.S))
    (tmp_path / "cases").mkdir()
    (tmp_path / "definition.json").write_text(examples["definition.json"])
    (tmp_path / "transform.js").write_text(examples["transform.js"])
    (tmp_path / "cases" / "example.json").write_text(examples["case"])
    done = dest("test", tmp_path)
    assert done.returncode == 0 and "1 passed, 0 failed" in done.stdout, done.stdout + done.stderr
    broken = json.loads(examples["case"])
    broken["outcomes"][1]["expect"] = "dead"
    (tmp_path / "cases" / "example.json").write_text(json.dumps(broken))
    done = dest("test", tmp_path)
    assert done.returncode == 1 and 'an answer of 503: expected "dead", got retry' in done.stdout, done.stdout + done.stderr


def definition(folder, **changes):
    """A destination of the test's own, of type ADDED, in folder/added."""
    made = {
        "type": "ADDED", "label": "Added", "category": "tests", "message_types": ["track"],
        "settings": {"url": {"type": "url", "label": "Address", "help": "where the test listens", "required": True},
                     "key": {"type": "text", "label": "Key", "help": "any", "secret": True, "required": True}},
        "rules": [{"when": {"event": "Ping"}, "filtered": "pings are not wanted"}],
        "delivery": {"auth": {"bearer": "${settings.key}"}, "headers": {"Content-Type": "application/json"},
                     "requests": [{"name": "event", "method": "PUT", "url": "${settings.url}/u/${event.anonymousId}", "body": "json",
                                   "table": "event"}]},
        "responses": [{"status": 200, "when": {"is": {"error": True}}, "outcome": "dead"}],
        "tables": {"event": [{"to": "what", "from": "event", "required": True}, {"to": "data.*", "from": "properties"}]}, **changes}
    (folder / "added").mkdir(parents=True, exist_ok=True)
    (folder / "added" / "definition.json").write_text(json.dumps(made))
    return {"SLUICE_DESTINATION_FOLDER": str(folder)}


def added(url, **config):
    return {"id": "added", "type": "ADDED", "config": {"url": url.rstrip("/"), "key": "k1", **config}}


def test_a_destination_added_at_run_time_delivers(serve, sink, tmp_path):
    sink.behave = lambda arrival, number: Answer(body=b'{"error":true}' if arrival.json["what"] == "Bad" else b"{}")
    server = serve(workspace([added(sink.url)]), clock=True, env=definition(tmp_path / "more"))
    for name in ("Buy", "Ping", "Bad", "Sell"):
        server.track(name, user="u 1", properties={"n": 1})
    sink.wait_accepted(3)
    server.settle()
    assert [arrival.json for arrival in sink.arrivals] == [{"what": name, "data": {"n": 1}} for name in ("Buy", "Bad", "Sell")]
    first = sink.arrivals[0]
    assert first.method == "PUT" and first.path.endswith("/u/u%201")
    assert {name.lower(): value for name, value in first.headers.items()}["authorization"] == "Bearer k1"
    counts = server.destination("added")
    assert (counts["delivered"], counts["filtered"], counts["dead"]) == (2, 1, 1)
    letters = server.get("/v0/dead")["letters"]
    assert len(letters) == 1 and "k1" not in server.get(f"/v0/dead/{letters[0]['id']}")["request"]
    server.assert_conserved()


SCRIPT = """
import { each, Filtered } from 'sluice';
import { shout } from '_lib/shout';
export const transform = each(({ message, draft }, config) => {
    if (message.event === 'Quiet') {
        throw new Filtered('too quiet');
    }
    return ['first', 'second'].map((part) => ({ url: `${config.url}/${part}`, json: { ...draft.body, what: shout(message.event) } }));
});
export const outcome = (response) => (response.body.again ? 'retry' : undefined);
"""


def test_a_destination_with_code_added_at_run_time_delivers(serve, sink, tmp_path):
    environment = definition(tmp_path / "more", delivery={"auth": {"bearer": "${settings.key}"},
                                                          "requests": [{"name": "event", "table": "event"}]}, responses=[])
    (tmp_path / "more" / "added" / "transform.js").write_text(SCRIPT)
    (tmp_path / "more" / "_lib").mkdir()
    (tmp_path / "more" / "_lib" / "shout.js").write_text("export const shout = (text) => `${text.toUpperCase()}!`;\n")
    sink.behave = lambda arrival, number: Answer(body=b'{"again":true}' if number == 0 else b"{}")
    server = serve(workspace([added(sink.url)]), clock=True, env=environment)
    for name in ("Buy", "Ping", "Quiet"):
        server.track(name, user="u 1", properties={"n": 1})
    sink.wait_accepted(1)
    server.settle()
    server.advance(600_000)
    sink.wait_accepted(3)
    server.settle()
    assert [arrival.path.rsplit("/", 1)[1] for arrival in sink.arrivals] == ["first", "first", "second"]
    assert sink.arrivals[-1].json == {"what": "BUY!", "data": {"n": 1}}
    assert {name.lower(): value for name, value in sink.arrivals[0].headers.items()}["authorization"] == "Bearer k1"
    counts = server.destination("added")
    assert (counts["delivered"], counts["filtered"], counts["dead"]) == (1, 2, 0)
    server.assert_conserved()


ASKING = """
import { each } from 'sluice';
export const transform = each(async ({ draft }, config, ctx) => {
    const { body } = await ctx.http({ method: 'GET', url: `${config.url}/look`, query: { a: 'b c' }, lookup: 'account' });
    return { url: `${config.url}/events`, json: { ...draft.body, account: body.id } };
});
"""


def test_what_code_asks_the_vendor_is_authorized_and_kept_as_long_as_the_definition_says(serve, sink, tmp_path):
    environment = definition(tmp_path / "more", code={"lookups": {"account": {"cache": "1h"}}}, responses=[],
                             delivery={"auth": {"bearer": "${settings.key}"}, "requests": [{"name": "event", "table": "event"}]})
    (tmp_path / "more" / "added" / "transform.js").write_text(ASKING)
    sink.behave = lambda arrival, number: Answer(body=b'{"id":7}' if arrival.method == "GET" else b"{}")
    server = serve(workspace([added(sink.url)]), clock=True, env=environment)

    def track(name, arrivals):
        server.track(name, user="u 1", properties={"n": 1})
        sink.wait_arrivals(arrivals)
        server.settle()
    track("One", 2)
    track("Two", 3)
    server.advance(3_600_000)
    track("Three", 5)
    methods = [arrival.method for arrival in sink.arrivals]
    assert methods == ["GET", "POST", "POST", "GET", "POST"]
    assert sink.arrivals[0].path.endswith("/look?a=b+c")
    assert all({name.lower(): value for name, value in arrival.headers.items()}["authorization"] == "Bearer k1"
               for arrival in sink.arrivals)
    assert [arrival.json["account"] for arrival in sink.arrivals if arrival.method == "POST"] == [7, 7, 7]
    server.assert_conserved()


def test_code_that_does_not_parse_is_refused_at_start_with_its_place(tmp_path):
    environment = definition(tmp_path / "more")
    (tmp_path / "more" / "added" / "transform.js").write_text("export const transform = (events) => {\n    return events.;\n};\n")
    done = check(tmp_path, workspace([added("http://127.0.0.1:1")]), environment)
    assert done.returncode == 4
    assert "transform.js:2:19: SyntaxError: Unexpected token\n        return events.;\n                      ^" in done.stderr, done.stderr


def check(tmp_path, document, environment):
    (tmp_path / "workspace.yaml").write_text(json.dumps(document))
    clean = {name: value for name, value in os.environ.items() if not name.startswith("SLUICE_")}
    return subprocess.run([BINARY, "check", "--workspace", tmp_path / "workspace.yaml"], capture_output=True, text=True,
                          env={**clean, **environment})


def test_a_missing_setting_is_refused_with_label_and_help(tmp_path):
    environment = definition(tmp_path / "more")
    done = check(tmp_path, workspace([added("http://127.0.0.1:1", key="")]), environment)
    assert done.returncode == 4
    assert "Key is required and missing: any" in done.stderr, done.stderr
    done = check(tmp_path, workspace([added("http://127.0.0.1:1")]), environment)
    assert done.returncode == 0, done.stderr


def test_a_wrong_definition_is_refused_at_start_with_its_place(tmp_path):
    environment = definition(tmp_path / "more", lable="x")
    done = check(tmp_path, workspace([added("http://127.0.0.1:1")]), environment)
    assert done.returncode == 4
    assert 'unknown key "lable"; the nearest is "label"' in done.stderr and "definition.json:1:" in done.stderr, done.stderr


def conformance(cases):
    environment = {**os.environ, "SLUICE_BINARY": str(BINARY)}
    return subprocess.run([ROOT / "test/conformance/run", "--cases", cases], capture_output=True, text=True, env=environment)


def test_the_conformance_runner_tells_a_wrong_body_and_a_wrong_status(tmp_path):
    event = {"type": "track", "event": "e", "userId": "u"}
    item = {"message": event, "destination": {"Config": {"writeKey": "k"}}}
    output = {"method": "POST", "endpoint": "https://api.segment.io/v1/batch", "params": {},
              "headers": {"Content-Type": "application/json", "Authorization": "Basic azo="},
              "body": {"JSON": {"batch": [{"type": "track", "event": "e", "userId": "u"}]}, "FORM": {}}}
    wrong_body = {**output, "body": {"JSON": {"batch": [{"type": "track", "event": "f", "userId": "u"}]}}}
    answers = [{"output": output, "statusCode": 200}, {"output": wrong_body, "statusCode": 200}, {"statusCode": 400}]
    (tmp_path / "segment").mkdir()
    (tmp_path / "segment" / "processor.json").write_text(json.dumps(
        [{"description": "d", "input": [item], "expected": {"status": 200, "body": [answer]}} for answer in answers]))
    done = conformance(tmp_path)
    assert done.returncode == 1 and "1 passed, 2 failed" in done.stdout, done.stdout + done.stderr
    assert ".body[1].batch[0].event: expected f" in done.stdout and "statusCode: expected 400" in done.stdout
    done = conformance(tmp_path / "none")
    assert done.returncode == 0 and "SKIPPED" in done.stdout
