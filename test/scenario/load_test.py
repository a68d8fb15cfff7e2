"""Loads: batches arrive merged, users keep their order whatever fails, a bad event dies alone, workers may die."""
import json
import os
import random
import signal

from delivery_test import retry_until_quiet
from sink import Answer, failing_at_random
from sluice import webhook, workspace


def batches(folder, url, events=50, time="50ms", **rows):
    """A destination that takes batches, and the environment in which the server knows its type."""
    definition = {
        "type": "BATCHES", "label": "Batches", "category": "tests",
        "settings": {"url": {"type": "url", "label": "URL", "help": "the sink", "required": True}},
        "delivery": {"requests": [{"name": "all", "method": "POST", "url": "${settings.url}", "body": "json", "table": "event"}],
                     "batch": {"into": "items", "events": events, "time": time}},
        "tables": {"event": [{"to": key, "from": key} for key in ("event", "anonymousId", "messageId")]}}
    (folder / "batches").mkdir(parents=True)
    (folder / "batches" / "definition.json").write_text(json.dumps(definition))
    return {"id": "batches", "type": "BATCHES", "config": {"url": url}, **rows}, {"SLUICE_DESTINATION_FOLDER": str(folder)}


def post(server, total, users, bad=()):
    for start in range(0, total, 100):
        events = [{"type": "track", "event": "bad" if n in bad else "good", "anonymousId": f"u{n % users}", "messageId": f"m{n}"}
                  for n in range(start, min(total, start + 100))]
        status, _, _ = server.post("/v1/batch", {"batch": events})
        assert status == 200


def accepted_items(sink):
    return [item for arrival in sink.accepted for item in arrival.json["items"]]


def assert_order(items, total, users):
    """Every event once, each user's in their order."""
    assert len(items) == total
    for user in range(users):
        assert [item["messageId"] for item in items if item["anonymousId"] == f"u{user}"] == \
            [f"m{n}" for n in range(total) if n % users == user], user


def test_batches_arrive_merged_and_in_order(serve, sink, tmp_path):
    destination, env = batches(tmp_path / "types", sink.url)
    server = serve(workspace([destination]), env=env)
    post(server, 1_000, users=7)
    server.wait(lambda: server.destination("batches")["delivered"] == 1_000, "all to be delivered")
    assert_order(accepted_items(sink), 1_000, users=7)
    assert len(sink.arrivals) <= 60, len(sink.arrivals)  # 20 are the least
    server.assert_conserved()


def test_users_keep_their_order_when_batches_fail_at_random(serve, sink, tmp_path):
    sink.behave = failing_at_random(0.2, seed=11, statuses=(500, 503, 429, 413, 408))
    destination, env = batches(tmp_path / "types", sink.url, delivery={"concurrency": 5})
    server = serve(workspace([destination]), clock=True, env=env)
    dice = random.Random(3)
    sent = 0
    while sent < 2_000:
        count = dice.randrange(1, 60)
        events = [{"type": "track", "event": "good", "anonymousId": f"u{n % 20}", "messageId": f"m{n}"} for n in range(sent, sent + count)]
        assert server.post("/v1/batch", {"batch": events})[0] == 200
        sent += count
        server.settle()
        server.advance(dice.randrange(1, 500))
    retry_until_quiet(server, "batches", step_ms=10_000)
    row = server.destination("batches")
    items = accepted_items(sink)
    assert row["delivered"] + row["dead"] == sent
    last = {}
    for item in items:  # a single event that is refused with 413 is dead: there may be gaps, never steps back
        number, user = int(item["messageId"][1:]), item["anonymousId"]
        assert number > last.get(user, -1), (user, number, last[user])
        last[user] = number
    assert row["delivered"] == len(items) > sent * 0.99
    server.assert_conserved()


def test_a_bad_event_of_a_batch_dies_alone_and_its_letter_has_the_answer(serve, sink, tmp_path):
    sink.behave = lambda arrival, number: Answer(
        status=400 if any(item["event"] == "bad" for item in arrival.json["items"]) else 200, body=b"one of them is bad")
    destination, env = batches(tmp_path / "types", sink.url)
    server = serve(workspace([destination]), env=env)
    bad = {13, 77, 140}
    post(server, 200, users=10, bad=bad)
    server.wait(lambda: server.destination("batches")["open"] + server.destination("batches")["behind"] == 0, "all to end")
    row = server.destination("batches")
    assert (row["delivered"], row["dead"]) == (197, 3)
    letters = [server.get(f"/v0/dead/{letter['id']}") for letter in server.get("/v0/dead")["letters"]]
    assert {letter["message_id"] for letter in letters} == {f"m{n}" for n in bad}
    assert all("one of them is bad" in letter["response"] and letter["request"].startswith("POST ") for letter in letters)
    assert len(sink.arrivals) < 100, "halves, not one by one"
    trace = json.dumps(server.get("/v0/trace/m13"))
    assert "retry" in trace or "attempt" in trace, trace
    server.assert_conserved()


CODE = """
export function transform(events, config) {
    const send = (list) => ({
        events: list.map(({ at }) => at),
        request: { url: config.url, json: { items: list.map(({ message }) => message) } },
    });
    const all = events.map(({ message }, at) => ({ message, at }));
    const twice = all.filter(({ message }) => message.event === 'twice');
    return [send(all), ...twice.map((each) => send([each]))];
}
export function outcome(response) {
    return Array.isArray(response.body) ? response.body : undefined;
}
"""


def coded(folder, url, **rows):
    """A destination with a transform.js: one request for all, one more for each event `twice`; the sink answers event by event."""
    definition = {"type": "CODED", "label": "Coded", "category": "tests",
                  "settings": {"url": {"type": "url", "label": "URL", "help": "the sink", "required": True}},
                  "delivery": {"headers": {"Content-Type": "application/json"}}, "code": {}}
    (folder / "coded").mkdir(parents=True)
    (folder / "coded" / "definition.json").write_text(json.dumps(definition))
    (folder / "coded" / "transform.js").write_text(CODE)
    return {"id": "coded", "type": "CODED", "config": {"url": url}, **rows}, {"SLUICE_DESTINATION_FOLDER": str(folder)}


class Judge:
    """Answers event by event, at random; checks that no event comes before the earlier ones of its user have ended."""

    def __init__(self, seed):
        self.dice = random.Random(seed)
        self.ended = set()
        self.early = []

    def __call__(self, arrival, number):
        items = [(item["anonymousId"], item["n"], item["event"]) for item in arrival.json["items"]]
        here = {(user, n) for user, n, _ in items}
        for user, n, _ in items:
            self.early += [(user, n, k) for k in range(n) if (user, k) not in self.ended and (user, k) not in here]
        if self.dice.random() < 0.1:
            return Answer(status=self.dice.choice((500, 503, 429)))
        words = self.dice.choices(("delivered", "retry", "throttled", "dead"), (80, 12, 4, 4), k=len(items))
        for (user, n, event), word in zip(items, words):
            last = event != "twice" or len(items) == 1  # a load of one `twice` ends it a request early: no harm here
            if word == "dead" or (word == "delivered" and last):
                self.ended.add((user, n))
        return Answer(body=json.dumps(words).encode())


def test_outcomes_are_read_event_by_event_and_users_keep_their_order(serve, sink, tmp_path):
    sink.behave = judge = Judge(seed=5)
    destination, env = coded(tmp_path / "types", sink.url, delivery={"concurrency": 4})
    server = serve(workspace([destination]), clock=True, env={**env, "SLUICE_DELIVERY_LOAD": "9"})
    total, users = 1_000, 11
    for start in range(0, total, 50):
        events = [{"type": "track", "event": "twice" if n % 10 == 0 else "once", "anonymousId": f"u{n % users}", "messageId": f"m{n}",
                   "n": n // users} for n in range(start, start + 50)]
        assert server.post("/v1/batch", {"batch": events})[0] == 200
        server.settle()
        server.advance(700)
    retry_until_quiet(server, "coded", step_ms=10_000)
    row = server.destination("coded")
    assert judge.early == []
    assert row["delivered"] + row["dead"] == total
    assert row["delivered"] > total * 0.85 and row["dead"] > 0
    assert max(len(arrival.json["items"]) for arrival in sink.arrivals) > 3
    server.assert_conserved()


SLOW = """
export function transformEvent(event) {
    for (let n = 0; n < 3e6; n++) { Math.sqrt(n); }
    return { ...event, seen: true };
}
"""


def children(pid):
    found = []
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as file:
            found += [int(each) for each in file.read().split()]
    return found


def transformed(url, code, **rows):
    document = workspace([{**webhook("hook", url), "transformation": "t", **rows}])
    return {**document, "transformations": [{"id": "t", "code": code}]}


def test_workers_killed_in_the_middle_of_loads_lose_nothing(serve, sink):
    server = serve(transformed(sink.url, SLOW))
    kills = 0
    for start in range(0, 600, 100):
        events = [{"type": "track", "event": "e", "anonymousId": f"u{n % 9}", "messageId": f"m{n}"} for n in range(start, start + 100)]
        assert server.post("/v1/batch", {"batch": events})[0] == 200
        server.wait(lambda: children(server.process.pid), "a worker to run")
        for pid in children(server.process.pid):
            try:
                os.kill(pid, signal.SIGKILL)
                kills += 1
            except ProcessLookupError:
                pass
        # a second kill might meet an event that is tried by itself, and it would be the culprit
        server.wait(lambda: server.destination("hook")["delivered"] == start + 100, "all to be delivered")
    assert kills > 0
    row = server.destination("hook")
    assert (row["delivered"], row["dead"]) == (600, 0)
    assert all(arrival.json["seen"] for arrival in sink.accepted)
    for user in range(9):
        ids = [arrival.json["messageId"] for arrival in sink.accepted if arrival.json["anonymousId"] == f"u{user}"]
        assert ids == [f"m{n}" for n in range(600) if n % 9 == user], user
    server.assert_conserved()


def test_no_worker_runs_before_code_is_needed_and_an_idle_one_ends(serve, sink):
    server = serve(workspace([webhook("hook", sink.url)]), env={"SLUICE_TRANSFORM_IDLE_EXIT": "200ms"})
    server.track("e")
    sink.wait_accepted(1)
    assert children(server.process.pid) == []
    document = transformed(sink.url, "export const transformEvent = (event) => event;")
    server.write_workspace(document)
    assert server.control("POST", "/v0/reload")[0] == 200
    server.track("f")
    sink.wait_accepted(2)
    server.wait(lambda: children(server.process.pid) == [], "the idle worker to end")


def test_a_transformation_that_stops_is_named_and_goes_on_with_new_code(serve, sink):
    document = transformed(sink.url, "export function transformEvent() { throw new Error('no'); }", on_error="stop")
    server = serve(document)
    server.track("e", message_id="m1")
    server.wait(lambda: server.destination("hook")["state"] == "paused", "the pause")
    assert "transformation" in server.destination("hook")["reason"]
    assert sink.arrivals == []
    document["transformations"][0]["code"] = "export const transformEvent = (event) => event;"
    server.write_workspace(document)
    assert server.control("POST", "/v0/reload")[0] == 200
    sink.wait_accepted(1)
    server.settle()
    assert server.destination("hook")["state"] == "running"
    server.assert_conserved()
