"""Destinations that an external transformer serves: events go to it, its requests go out, and while it is down or talks nonsense they wait."""
import gzip

import pytest
from sink import Answer
from sluice import DiedAtStart, workspace
from vendor.transformer import Transformer, request


@pytest.fixture
def transformer():
    made = []

    def make(*arguments, **options):
        made.append(Transformer(*arguments, **options))
        return made[-1]
    yield make
    for each in made:
        each.close()
        assert each.violations == []


def destination(name="lacking", kind="NO_SUCH_TYPE", **config):
    return {"id": name, "type": kind, "config": {"key": "k1", **config}}


def posting(sink):
    return lambda message, destination: request(sink.url, headers={"X-Key": destination["Config"]["key"]}, JSON={"name": message["event"]})


def test_a_type_that_is_not_built_in_is_served_by_the_transformer(serve, sink, transformer):
    service = transformer(posting(sink))
    server = serve(workspace([destination()]), env=service.knobs)
    server.track("e1", message_id="m1")
    arrival = sink.wait_accepted(1)[0]
    assert (arrival.json, arrival.headers["x-key"]) == ({"name": "e1"}, "k1")
    assert arrival.headers["content-type"] == "application/json"
    server.settle()
    assert service.asked == [("/v0/destinations/no_such_type", ["e1"])]
    server.assert_conserved()


def test_a_type_that_the_transformer_batches_goes_to_its_router(serve, sink, transformer):
    service = transformer(posting(sink), router_types=["NO_SUCH_TYPE"])
    server = serve(workspace([destination()]), env=service.knobs)
    server.track("e1")
    sink.wait_accepted(1)
    assert service.asked == [("/routerTransform", ["e1"])]


def test_a_type_that_is_named_goes_there_although_it_is_built_in(serve, sink, transformer):
    service = transformer(posting(sink))
    server = serve(workspace([destination(kind="SLACK", webhookUrl="no URL at all")]), env={**service.knobs, "SLUICE_DELIVERY_TRANSFORMER_TYPES": "heap, slack"})
    server.track("e1")
    assert sink.wait_accepted(1)[0].json == {"name": "e1"}


@pytest.mark.parametrize("made, method, path, body", [
    ({"JSON_ARRAY": {"batch": '[{"a":1}]'}, "params": {"x": "y z"}}, "POST", "/hook?x=y+z", b'[{"a":1}]'),
    ({"FORM": {"a": "1 2", "b": {"c": 3}}}, "POST", "/hook", b"a=1+2&b=%7B%22c%22%3A3%7D"),
    ({"XML": {"payload": "<a/>"}, "method": "PUT"}, "PUT", "/hook", b"<a/>"),
    ({"method": "GET", "params": {"n": 1}}, "GET", "/hook?n=1", b"")])
def test_each_form_of_a_body_goes_out_as_the_protocol_says(serve, sink, transformer, made, method, path, body):
    service = transformer(lambda message, destination: request(sink.url, **made))
    server = serve(workspace([destination()]), env=service.knobs)
    server.track("e1")
    arrival = sink.wait_accepted(1)[0]
    assert (arrival.method, arrival.path, arrival.body) == (method, path, body)


def test_a_compressed_body_is_compressed(serve, sink, transformer):
    service = transformer(lambda message, destination: request(sink.url, GZIP={"payload": "plain text"}))
    server = serve(workspace([destination()]), env=service.knobs)
    server.track("e1")
    arrival = sink.wait_accepted(1)[0]
    assert (gzip.decompress(arrival.body), arrival.headers["content-encoding"]) == (b"plain text", "gzip")


def test_several_requests_of_one_event_go_out_in_order(serve, sink, transformer):
    service = transformer(lambda message, destination: [request(sink.url, JSON={"n": n}) for n in range(3)])
    server = serve(workspace([destination()]), env=service.knobs)
    server.track("e1", message_id="m1")
    assert [arrival.json["n"] for arrival in sink.wait_accepted(3)] == [0, 1, 2]
    server.settle()
    assert server.destination("lacking")["delivered"] == 1


def test_refusals_are_filtered_dead_or_tried_again(serve, sink, transformer):
    tries = []

    def make(message, _):
        if message["event"] == "later" and not tries:
            tries.append(1)
            return (500, "not now")
        return {"filtered": (298, "not wanted"), "bad": (400, "no email")}.get(message["event"], request(sink.url, JSON={"name": message["event"]}))
    service = transformer(make)
    server = serve(workspace([destination()]), clock=True, env=service.knobs)
    for number, name in enumerate(("filtered", "bad", "later", "good")):
        server.track(name, user=f"u{number}", message_id=name)
    sink.wait_accepted(1)
    server.settle()
    server.advance(5_000)
    assert {arrival.json["name"] for arrival in sink.wait_accepted(2)} == {"good", "later"}
    server.settle()
    row = server.destination("lacking")
    assert (row["delivered"], row["filtered"], row["dead"]) == (2, 1, 1)
    assert "not wanted" in server.cli("trace", "filtered")[1]
    assert "no email" in server.cli("trace", "bad")[1]
    server.assert_conserved()


def step(server):
    """Moves the clock, and lets what went out for it come back: the next move would time it out."""
    server.advance(2_000)
    server.settle()


NONSENSE = {
    "a status of its own": Answer(status=404, body=b'{"error":"Unknown destination"}'),
    "an error page": Answer(status=502, body=b"<html>"),
    "no JSON": Answer(headers={"apiVersion": "2"}, body=b"ok"),
    "another version": Answer(headers={"apiVersion": "1"}, body=b"[]"),
    "rows of nobody": Answer(headers={"apiVersion": "2"}, body=b'[{"output":{},"metadata":{"jobId":77},"statusCode":200}]'),
    "a broken connection": Answer(reset=True),
}


@pytest.mark.parametrize("answer", NONSENSE.values(), ids=NONSENSE.keys())
def test_while_the_transformer_answers_nonsense_events_wait_and_then_arrive(serve, sink, transformer, answer):
    service = transformer(posting(sink))
    service.answers = lambda path: answer if path != "/features" else None
    server = serve(workspace([destination()]), clock=True, env=service.knobs)
    for number in range(3):
        server.track(f"e{number}", user="u1")
    service.wait(lambda: len(service.arrivals) >= 2, "the service to be asked")
    assert sink.arrivals == []
    service.answers = None
    server.wait(lambda: step(server) or len(sink.accepted) == 3, "the events")
    assert [arrival.json["name"] for arrival in sink.accepted] == ["e0", "e1", "e2"]
    server.settle()
    row = server.destination("lacking")
    assert (row["delivered"], row["dead"], row["open"]) == (3, 0, 0)
    server.assert_conserved()


def test_a_service_that_is_down_loses_nothing_over_a_kill(serve, sink, transformer):
    service = transformer(posting(sink))
    service.answers = lambda path: Answer(reset=True)
    server = serve(workspace([destination()]), env=service.knobs)
    for number in range(5):
        server.track(f"e{number}")
    service.wait(lambda: len(service.arrivals) >= 1, "the service to be asked")
    server.kill()
    service.answers = None
    server.start()
    assert [arrival.json["name"] for arrival in sink.wait_accepted(5)] == [f"e{n}" for n in range(5)]


def test_a_request_that_cannot_be_sent_makes_its_event_dead(serve, sink, transformer):
    service = transformer(lambda message, destination: {"message": message, "topic": "a stream's, not ours"})
    server = serve(workspace([destination()]), env=service.knobs)
    server.track("e1", message_id="m1")
    server.wait(lambda: server.destination("lacking")["dead"] == 1, "the dead letter")
    assert "cannot be sent" in server.cli("trace", "m1")[1]


def test_a_server_stops_at_once_while_the_service_hangs(serve, sink, transformer):
    service = transformer(posting(sink))
    service.answers = lambda path: Answer(hang=True)
    server = serve(workspace([destination()]), env=service.knobs)
    server.track("e1")
    service.wait_arrivals(1)
    assert server.stop() == 0


def original(url):
    """A workspaceConfig.json whose destination has a transformation that the file only names."""
    hook = {"id": "hook", "name": "hook", "enabled": True, "isProcessorEnabled": True, "config": {"webhookUrl": url, "webhookMethod": "POST"},
            "destinationDefinition": {"name": "WEBHOOK", "displayName": "Webhook"}, "transformations": [{"versionId": "v1", "id": "t1", "config": {}}]}
    source = {"id": "web", "name": "web", "enabled": True, "writeKey": "wk_web", "sourceDefinition": {"name": "Javascript", "type": "web"}, "destinations": [hook]}
    return {"workspaceId": "w", "sources": [source], "libraries": []}


def test_a_transformation_whose_code_only_the_service_has_is_run_by_it(serve, sink, transformer):
    def code(message):
        known = {"gone": [], "bad": (400, "TypeError: no x"), "two": [{**message, "n": 1}, {**message, "n": 2}]}
        return known.get(message["event"], [{**message, "event": message["event"].upper()}])
    service = transformer(None)
    service.code = code
    server = serve(original(sink.url), env={**service.knobs, "SLUICE_DELIVERY_TRANSFORMER_CODE": "true"})
    for number, name in enumerate(("plain", "gone", "bad", "two")):
        server.track(name, user=f"u{number}", message_id=name)
    sink.wait_accepted(3)
    server.settle()
    assert sorted((a.json["event"], a.json.get("n", 0)) for a in sink.accepted) == [("PLAIN", 0), ("two", 1), ("two", 2)]
    row = server.destination("hook")
    assert (row["delivered"], row["filtered"], row["dead"]) == (2, 1, 1)
    assert "TypeError: no x" in server.cli("trace", "bad")[1]
    server.assert_conserved()


@pytest.mark.parametrize("answer", [Answer(status=809), Answer(body=b"[7]"), Answer(hang=True)], ids=["809", "nonsense", "silence"])
def test_events_wait_while_the_service_cannot_run_the_code(serve, sink, transformer, answer):
    service = transformer(None)
    service.code = lambda message: [message]
    service.answers = lambda path: answer
    server = serve(original(sink.url), env={**service.knobs, "SLUICE_DELIVERY_TRANSFORMER_CODE": "true"})
    server.track("e1")
    service.wait_arrivals(1)
    assert server.stop() == 0
    assert sink.arrivals == []
    service.answers = None
    server.start()
    assert sink.wait_accepted(1)[0].json["event"] == "e1"


def test_an_address_that_is_none_is_refused_at_the_start(serve, transformer):
    with pytest.raises(DiedAtStart) as caught:
        serve(workspace([destination()]), env={"SLUICE_DELIVERY_TRANSFORMER_URL": "transformer:9090"})
    assert "delivery.transformer_url" in str(caught.value)
