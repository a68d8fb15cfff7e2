"""User transformations in a running server: what becomes of events, of failures, of reloads, and of code that is wrong."""
import json
import os
import subprocess

import pytest
from sluice import BINARY, DiedAtStart, webhook, workspace

BAD = "export function transformEvent(event) {\n  return event event;\n}\n"


def transformed(url, code, on_error=None, delivery=None, **more):
    """A workspace whose only destination has that transformation."""
    document = workspace([{**webhook("crm", url, delivery), "transformation": "t", **({"on_error": on_error} if on_error else {})}])
    document["transformations"] = [{"id": "t", "name": "Tee", "code": code, **more}]
    return document


def each_event(body):
    return "export function transformEvent(event, metadata) {\n" + body + "\n}\n"


def reload(server, document):
    """(status, answer) of a reload."""
    server.write_workspace(document)
    return server.control("POST", "/v0/reload")


def check(tmp_path, document, name="workspace.yaml"):
    """(exit code, stdout, stderr) of `sluice check` on a file."""
    path = tmp_path / name
    path.write_text(json.dumps(document))
    environment = {key: value for key, value in os.environ.items() if not key.startswith("SLUICE_")}
    done = subprocess.run([str(BINARY), "check", "--workspace", str(path)], capture_output=True, text=True, env=environment, check=False)
    return done.returncode, done.stdout, done.stderr


def letters(server):
    return server.get("/v0/dead")["letters"]



# ---- what becomes of an event ----

def test_a_changed_event_arrives_changed(serve, sink):
    code = each_event("  event.properties = { from: metadata(event).sourceId, key: getCredential('k') };\n  return event;")
    server = serve(transformed(sink.url, code, credentials=[{"key": "k", "value": "v"}]))
    server.track("Signed Up", message_id="m1", properties={"secret": 1})
    sink.wait_accepted(1)
    assert sink.arrivals[0].json["properties"] == {"from": "web", "key": "v"}
    assert sink.arrivals[0].json["messageId"] == "m1"
    server.settle()
    server.assert_conserved()


def test_a_dropped_event_is_filtered_and_its_trace_names_the_transformation(serve, sink):
    server = serve(transformed(sink.url, each_event("  return event.event === 'Heartbeat' ? null : event;")))
    server.track("Heartbeat", message_id="m1")
    server.track("Signed Up", message_id="m2")
    sink.wait_accepted(1)
    server.settle()
    assert sink.message_ids() == ["m2"]
    row = server.get("/v0/trace/m1")["events"][0]["destinations"][0]
    assert (row["end"], row["reason"]) == ("filtered", "dropped by transformation Tee")
    assert "filtered" in server.cli("trace", "m1")[1] and "dropped by transformation Tee" in server.cli("trace", "m1")[1]
    server.assert_conserved()


def test_a_thrown_error_makes_a_dead_letter_that_can_be_redriven_when_the_code_is_mended(serve, sink):
    code = each_event("  if (!event.userId) { throw new TypeError('no user'); }\n  return event;")
    server = serve(transformed(sink.url, code))
    server.track("A", message_id="m1")
    server.track("B", message_id="m2", userId="u7")
    sink.wait_accepted(1)
    server.settle()
    assert sink.message_ids() == ["m2"]
    letter = letters(server)[0]
    assert letter["reason"] == "TRANSFORMATION_FAILED" and letter["message_id"] == "m1"
    assert "failed in transformation Tee: TypeError: no user at transformEvent (Tee:2:" in letter["text"]
    tail = server.cli("tail", "--outcome", "dead")[1]
    assert "failed in transformation Tee: TypeError: no user" in tail
    status, _ = reload(server, transformed(sink.url, each_event("  return { ...event, userId: event.userId || 'nobody' };")))
    assert status == 200
    server.cli("dead", "redrive", str(letter["id"]))
    sink.wait_accepted(2)
    assert sink.accepted[1].json["userId"] == "nobody"
    server.settle()
    server.assert_conserved()


def test_with_on_error_pass_the_event_arrives_as_it_was(serve, sink):
    server = serve(transformed(sink.url, each_event("  event.properties.n = 2;\n  throw new Error('no');"), on_error="pass"))
    server.track("A", message_id="m1", properties={"n": 1})
    sink.wait_accepted(1)
    assert sink.arrivals[0].json["properties"] == {"n": 1}
    server.settle()
    assert letters(server) == []
    server.assert_conserved()


def test_with_on_error_stop_the_destination_pauses_until_the_code_is_mended(serve, sink):
    server = serve(transformed(sink.url, each_event("  if (event.event === 'Bad') { throw new Error('no'); }\n  return event;"), on_error="stop"))
    server.track("Bad", message_id="m1")
    row = server.wait(lambda: next((d for d in server.stat()["destinations"] if d["state"] == "paused"), None), "the pause")
    assert row["delivered"] == 0 and row["dead"] == 0
    server.track("Good", message_id="m2", user="u2")
    status, _ = reload(server, transformed(sink.url, each_event("  return event;"), on_error="stop"))
    assert status == 200
    sink.wait_accepted(2)
    assert sorted(sink.message_ids()) == ["m1", "m2"]
    server.settle()
    server.assert_conserved()


def test_an_event_split_in_two_arrives_twice_and_is_delivered_once(serve, sink):
    code = each_event("  return [{ ...event, part: 1 }, { ...event, part: 2 }];")
    server = serve(transformed(sink.url, code))
    server.track("A", message_id="m1")
    sink.wait_accepted(2)
    server.settle()
    assert [arrival.json["part"] for arrival in sink.accepted] == [1, 2]
    assert server.destination("crm")["delivered"] == 1
    server.assert_conserved()


def test_an_endless_loop_kills_only_its_own_event(serve, sink):
    code = each_event("  while (event.event === 'Loop') { /* forever */ }\n  return event;")
    server = serve(transformed(sink.url, code), env={"SLUICE_TRANSFORM_CPU_TIME": "300ms"})
    for i, name in enumerate(["A", "Loop", "B", "C"]):
        server.track(name, message_id=f"m{i}", user=f"u{i}")
    sink.wait_accepted(3)
    server.settle()
    assert sorted(sink.message_ids()) == ["m0", "m2", "m3"]
    assert [letter["message_id"] for letter in letters(server)] == ["m1"]
    assert "failed in transformation Tee: Error: " in letters(server)[0]["text"]  # timed out, or killed on a busy machine
    server.assert_conserved()


def test_a_connection_can_do_without_the_destinations_transformation(serve, sink):
    document = transformed(sink.url, each_event("  return { ...event, changed: true };"))
    document["sources"].append({"id": "app", "write_key": "wk_app"})
    document["connections"] = [{"from": "web", "to": "crm"}, {"from": "app", "to": "crm", "transformation": "none"}]
    server = serve(document)
    server.track("A", message_id="m1")
    server.track("A", message_id="m2", key="wk_app")
    sink.wait_accepted(2)
    assert {arrival.json["messageId"]: arrival.json.get("changed") for arrival in sink.accepted} == {"m1": True, "m2": None}
    server.assert_conserved()


def test_counters_per_transformation_are_in_the_metrics(serve, sink):
    server = serve(transformed(sink.url, each_event("  return event.event === 'Heartbeat' ? null : event;")))
    server.track("Heartbeat", message_id="m1")
    server.track("A", message_id="m2")
    sink.wait_accepted(1)
    server.settle()
    metrics = server.get("/v0/metrics")
    for name in ("events", "outputs", "dropped", "failed", "passed", "cpu"):
        assert f'sluice_transformation_{name}_total{{transformation="t"}} ' in metrics, metrics
    assert 'sluice_transformation_events_total{transformation="t"} 2' in metrics
    assert 'sluice_transformation_dropped_total{transformation="t"} 1' in metrics


# ---- reloads ----

def test_a_reload_swaps_versions(serve, sink):
    server = serve(transformed(sink.url, each_event("  return { ...event, v: 1 };")))
    server.track("A", message_id="m1")
    sink.wait_accepted(1)
    status, _ = reload(server, transformed(sink.url, each_event("  return { ...event, v: 2 };")))
    assert status == 200
    server.track("A", message_id="m2")
    sink.wait_accepted(2)
    assert [arrival.json["v"] for arrival in sink.accepted] == [1, 2]


def test_bad_code_is_refused_with_a_caret_and_the_old_version_goes_on(serve, sink):
    server = serve(transformed(sink.url, each_event("  return { ...event, v: 1 };")))
    status, answer = reload(server, transformed(sink.url, BAD))
    text = json.dumps(answer)
    assert status >= 400 and "transformation 't'" in text and "return event event;" in text and "^" in text, answer
    assert "the old one goes on" in server.log()
    server.track("A", message_id="m1")
    sink.wait_accepted(1)
    assert sink.arrivals[0].json["v"] == 1


def test_a_server_does_not_start_with_code_that_does_not_compile(serve):
    with pytest.raises(DiedAtStart) as refused:
        serve(transformed("http://127.0.0.1:1/", BAD))
    assert "transformation 't'" in str(refused.value) and "return event event;" in str(refused.value)


def test_no_worker_starts_where_there_is_no_transformation(serve, sink):
    server = serve(workspace([webhook("crm", sink.url)]))
    server.track("A", message_id="m1")
    sink.wait_accepted(1)
    assert "sluice_transform_started_total 0" in server.get("/v0/metrics")


def test_code_in_a_file_is_read_again_when_it_changes(serve, sink):
    document = transformed(sink.url, "")
    document["transformations"] = [{"id": "t", "file": "code/tee.js"}]

    def put(folder, version):
        (folder / "code").mkdir(exist_ok=True)
        (folder / "code" / "tee.js").write_text(each_event(f"  return {{ ...event, v: {version} }};"))
    server = serve(document, before=lambda folder: put(folder, 1))
    server.track("A", message_id="m1")
    sink.wait_accepted(1)
    put(server.directory, 2)  # which is noticed
    server.wait(lambda: server.get("/v0/workspace")["generation"] == 2, "the reload")
    server.track("A", message_id="m2")
    sink.wait_accepted(2)
    assert [arrival.json["v"] for arrival in sink.accepted] == [1, 2]


# ---- check ----

def test_check_names_file_line_column_and_the_code_with_a_caret(tmp_path):
    (tmp_path / "bad.js").write_text(BAD)
    document = transformed("http://127.0.0.1:1/", "")
    document["transformations"] = [{"id": "t", "file": "bad.js"}]
    code, _, said = check(tmp_path, document)
    assert code != 0 and "bad.js:2:16" in said
    assert "\n      return event event;\n                   ^" in said


def test_check_lists_transformations_and_where_they_are_used(tmp_path):
    code, said, _ = check(tmp_path, transformed("http://127.0.0.1:1/", each_event("  return event;"), on_error="pass"))
    assert code == 0 and "transformation t compiles, web -> crm (on_error pass)" in said


def test_check_says_what_a_reference_could_have_meant(tmp_path):
    document = transformed("http://127.0.0.1:1/", each_event("  return event;"))
    document["destinations"][0]["transformation"] = "tt"
    code, _, said = check(tmp_path, document)
    assert code != 0 and "destinations[0].transformation: there is no transformation 'tt'; the nearest is 't'" in said
    document["destinations"][0].update(transformation="t", on_error="ignore")
    code, _, said = check(tmp_path, document)
    assert code != 0 and "must be 'dead', 'pass' or 'stop', not 'ignore'" in said


# ---- workspaceConfig.json ----

def original(url, **transformation):
    destination = {"id": "crm", "name": "CRM", "enabled": True, "isProcessorEnabled": True,
                   "config": {"webhookUrl": url, "webhookMethod": "POST"}, "destinationDefinition": {"name": "WEBHOOK", "displayName": "Webhook"},
                   "transformations": [{"versionId": "v1", "id": "t1", "config": {}, **transformation}]}
    source = {"id": "web", "writeKey": "wk_web", "enabled": True, "name": "web", "sourceDefinition": {"name": "Javascript", "type": "web"},
              "destinations": [destination]}
    return {"workspaceId": "w", "sources": [source], "libraries": [{"versionId": "l1"}],
            "credentials": {"c1": {"key": "k", "value": "from the file", "isSecret": True}}}


def put_code(folder, library="export const shout = (text) => text.toUpperCase();\n"):
    (folder / "transformations" / "libraries").mkdir(parents=True)
    (folder / "transformations" / "v1.js").write_text(
        "import { shout } from 'voice';\n" + each_event("  return { ...event, event: shout(event.event), key: getCredential('k') };"))
    (folder / "transformations" / "libraries" / "voice.js").write_text(library)


def test_an_originals_file_finds_its_code_in_the_folder_beside_it(serve, sink):
    server = serve(original(sink.url), before=put_code)
    server.track("hello", message_id="m1")
    sink.wait_accepted(1)
    assert (sink.arrivals[0].json["event"], sink.arrivals[0].json["key"]) == ("HELLO", "from the file")
    server.assert_conserved()


def test_without_its_code_events_wait_and_go_out_transformed_when_it_is_there(serve, sink):
    server = serve(original(sink.url))
    server.track("hello", message_id="m1")
    row = server.wait(lambda: next((d for d in server.stat()["destinations"] if d["state"] == "paused"), None), "the pause")
    assert "does not have" in json.dumps(server.get("/v0/trace/m1")), row
    assert sink.arrivals == []
    server.assert_conserved()
    put_code(server.directory)
    assert server.control("POST", "/v0/reload")[0] == 200
    sink.wait_accepted(1)
    assert sink.arrivals[0].json["event"] == "HELLO"
    server.settle()
    server.assert_conserved()


def test_check_says_whose_code_an_originals_file_lacks(tmp_path):
    code, said, _ = check(tmp_path, original("http://127.0.0.1:1/"), name="workspaceConfig.json")
    assert code == 0 and "warning: transformation t1: its code is missing" in said and "transformations/v1.js" in said


# ---- trying it on real events ----

def test_transform_run_takes_the_last_events_of_the_log(serve, sink, tmp_path):
    document = workspace([webhook("crm", sink.url)], sources=[{"id": "web", "write_key": "wk_web"}, {"id": "app", "write_key": "wk_app"}])
    server = serve(document)
    for i in range(5):
        server.track(f"E{i}", message_id=f"m{i}")
    server.track("other", message_id="o1", key="wk_app")
    sink.wait_accepted(6)
    code = tmp_path / "try.js"
    code.write_text(each_event("  if (event.event === 'E3') { return null; }\n  return { ...event, from: metadata(event).sourceId };"))
    _, said, _ = server.cli("transform", "run", str(code), "--from-log", "2", "--source", "web", "--json")
    events = [event for batch in json.loads(said)["batches"] for event in batch["events"]]
    assert [(event["messageId"], event["outcome"]) for event in events] == [("m3", "dropped"), ("m4", "changed")]
    assert {"path": "from", "to": "web"} in events[1]["diff"]
    _, said, _ = server.cli("transform", "run", str(code), "--from-log", "1")
    assert "o1 changed" in said and '+ from: "app"' in said
