"""kill -9 at each fault point, in a loop: nothing acknowledged is lost, only requests in flight repeat, order holds.

SLUICE_CRASH_ROUNDS sets the rounds per fault point (default 25: some four hundred over all points). A failure names the seed.
"""
import http.client
import json
import os
import random

import pytest
from sink import Answer, Sink
from sluice import DiedAtStart, Sluice, webhook, workspace

ROUNDS = int(os.environ.get("SLUICE_CRASH_ROUNDS", "25"))
CONCURRENCY = 4
BATCH = 8
USERS = 9
KILL_POINTS = ["STORE_BEFORE_WRITE", "STORE_AFTER_WRITE", "STORE_BEFORE_SYNC", "STORE_AFTER_SYNC", "STORE_ROLL", "STORE_NOTE",
               "STORE_CHECKPOINT_WRITE", "STORE_CHECKPOINT_RENAME", "STORE_DEAD_PUT", "GATEWAY_BEFORE_ACK", "PROCESSOR_BATCH",
               "DELIVERY_BEFORE_SEND", "DELIVERY_AFTER_RESPONSE", "DELIVERY_AFTER_NOTE"]

RARE = {"STORE_ROLL", "STORE_CHECKPOINT_WRITE", "STORE_CHECKPOINT_RENAME", "STORE_DEAD_PUT"}  # passed a few times a round


class Client:
    """Sends numbered events of a few users until the server dies; remembers which were acknowledged, in order per user."""

    def __init__(self, dice):
        self.dice = dice
        self.sent = 0
        self.acked = []
        self.uncertain = set()  # sent and never answered: may or may not be there
        self.next_of_user = [0] * USERS

    def batch(self):
        events = []
        for _ in range(self.dice.randrange(1, 12)):
            user = self.dice.randrange(USERS)
            events.append({"type": "track", "event": "bad" if self.dice.random() < 0.03 else "good", "anonymousId": f"u{user}",
                           "messageId": f"u{user}-{self.next_of_user[user]}", "n": self.next_of_user[user]})
            self.next_of_user[user] += 1
        return events

    def run(self, server, requests):
        """True if the server died on the way."""
        connection = server.connection()
        try:
            for _ in range(requests):
                events = self.batch()
                ids = [event["messageId"] for event in events]
                try:
                    status, _, _ = server.post("/v1/batch", {"batch": events}, connection=connection)
                except (OSError, http.client.HTTPException):
                    self.uncertain.update(ids)
                    return True
                if status == 200:
                    self.acked.extend(ids)
                else:  # an honest refusal: it may have been written, never acknowledged
                    self.uncertain.update(ids)
            return False
        finally:
            connection.close()


def end_all(server):
    """Until every event has ended: batches gather for a moment, and are split when they are refused."""
    server.start()
    server.wait(lambda: all(row["behind"] == 0 and row["open"] == 0 for row in server.stat()["destinations"]), "everything to end")
    server.assert_conserved()


def batching(folder, sink):
    """A second destination, which takes batches: the workspace's row; its definition is put into the folder."""
    definition = {
        "type": "BATCHES", "label": "Batches", "category": "tests",
        "settings": {"url": {"type": "url", "label": "URL", "help": "the sink", "required": True}},
        "delivery": {"requests": [{"name": "all", "method": "POST", "url": "${settings.url}", "body": "json", "table": "event"}],
                     "batch": {"into": "items", "events": BATCH, "time": "20ms"}, "limits": {"concurrency": CONCURRENCY}},
        "tables": {"event": [{"to": key, "from": key} for key in ("event", "anonymousId", "messageId", "n")]}}
    (folder / "batches").mkdir(parents=True)
    (folder / "batches" / "definition.json").write_text(json.dumps(definition))
    return {"id": "batches", "type": "BATCHES", "config": {"url": sink.url}}


CODE = """
export function transform(events, config) {
    return [{ events: events.map((event, at) => at), request: { url: config.url, json: { items: events.map(({ message }) => message) } } }];
}
export function outcome(response) {
    return response.status === 200 ? response.body.map((bad) => (bad ? 'dead' : 'delivered')) : undefined;
}
"""


def coded(folder, sink):
    """A destination with a transform.js, whose answers are read event by event."""
    definition = {"type": "CODED", "label": "Coded", "category": "tests",
                  "settings": {"url": {"type": "url", "label": "URL", "help": "the sink", "required": True}},
                  "delivery": {"headers": {"Content-Type": "application/json"}, "limits": {"concurrency": CONCURRENCY}}, "code": {}}
    (folder / "coded").mkdir(parents=True)
    (folder / "coded" / "definition.json").write_text(json.dumps(definition))
    (folder / "coded" / "transform.js").write_text(CODE)
    return {"id": "coded", "type": "CODED", "config": {"url": sink.url}}


def answer_each(arrival, number):
    return Answer(body=json.dumps([item["event"] == "bad" for item in arrival.json["items"]]).encode())


def answer_batch(arrival, number):
    return Answer(status=400 if any(item["event"] == "bad" for item in arrival.json["items"]) else 200)


def check_batches(client, sink, kills, seed):
    """What was in flight repeats, batch by batch; what a user's events are first seen by is in their order."""
    batches = [arrival.json["items"] for arrival in sink.arrivals]
    assert max(map(len, batches), default=0) > 1 or len(client.acked) < 100, f"seed {seed}: nothing was ever batched"
    seen, last = set(), {}
    for item in (item for items in batches for item in items):
        if item["messageId"] not in seen:
            seen.add(item["messageId"])
            user = item["anonymousId"]
            assert item["n"] > last.get(user, -1), f"seed {seed}: {user} saw {item['n']} first after {last[user]}"
            last[user] = item["n"]
    lost = [each for each in client.acked if each not in seen]
    assert not lost, f"seed {seed}: the batches lost {lost[:5]} of {len(client.acked)} acknowledged"
    accepted = [item["messageId"] for arrival in sink.accepted for item in arrival.json["items"]]
    repeats = len(accepted) - len(set(accepted))
    assert repeats <= kills * CONCURRENCY * BATCH, f"seed {seed}: {repeats} repeats after {kills} kills"


def check_sink(client, sink, kills, seed):
    arrived = [arrival.json for arrival in sink.arrivals]
    seen = {event["messageId"] for event in arrived}
    lost = [each for each in client.acked if each not in seen]
    assert not lost, f"seed {seed}: lost {lost[:5]} of {len(client.acked)} acknowledged"
    repeats = len(arrived) - len(seen)
    assert repeats <= kills * CONCURRENCY, f"seed {seed}: {repeats} repeats after {kills} kills"
    last = {}
    for event in arrived:
        user = event["anonymousId"]
        assert event["n"] >= last.get(user, -1), f"seed {seed}: {user} saw {event['n']} after {last[user]}"
        last[user] = event["n"]


def run_until_killed(server, client, fault):
    """One round; True if the fault did the killing (it may, already while the server starts on what it finds)."""
    try:
        server.start(faults=fault)
    except DiedAtStart:
        return True
    if client.run(server, requests=25) or not server.alive():
        server.wait_dead()
        return True
    server.kill()
    return False


@pytest.mark.parametrize("point", KILL_POINTS)
def test_nothing_acknowledged_is_lost_when_killed_at(point, tmp_path):
    seed = int(os.environ.get("SLUICE_CRASH_SEED", random.randrange(1 << 30)))
    dice = random.Random(seed)
    client, sink, batches, kills, deaths = Client(dice), Sink(), Sink(answer_batch), 0, 0
    sink.behave = lambda arrival, number: Answer(status=400 if arrival.json["event"] == "bad" else 200)
    destinations = [webhook("hook", sink.url, delivery={"concurrency": CONCURRENCY}), batching(tmp_path / "types", batches)]
    server = Sluice(tmp_path, workspace(destinations),
                    env={"SLUICE_STORE_SEGMENT_BYTES": "64KiB", "SLUICE_DELIVERY_SAVE_EVENTS": "20", "SLUICE_STORE_KEEP": "0s",
                         "SLUICE_DESTINATION_FOLDER": str(tmp_path / "types")})
    try:
        for _ in range(ROUNDS):
            deaths += run_until_killed(server, client, f"{point}=kill@{dice.randrange(1, 3 if point in RARE else 15)}")
            kills += 1
        assert deaths > 0, f"seed {seed}: {point} was never reached"
        end_all(server)
        check_sink(client, sink, kills, seed)
        check_batches(client, batches, kills, seed)
        assert server.stop() == 0
    finally:
        if server.process is not None:
            server.kill()
        sink.close()
        batches.close()


def test_nothing_acknowledged_is_lost_when_killed_at_random_instants(tmp_path):
    seed = int(os.environ.get("SLUICE_CRASH_SEED", random.randrange(1 << 30)))
    dice = random.Random(seed)
    client, sink, batches, kills = Client(dice), Sink(), Sink(answer_batch), 0
    destinations = [webhook("hook", sink.url, delivery={"concurrency": CONCURRENCY}), batching(tmp_path / "types", batches)]
    server = Sluice(tmp_path, workspace(destinations),
                    env={"SLUICE_STORE_SEGMENT_BYTES": "128KiB", "SLUICE_DELIVERY_SAVE_EVENTS": "50",
                         "SLUICE_DESTINATION_FOLDER": str(tmp_path / "types")})
    try:
        for _ in range(ROUNDS * 4):
            server.start()
            client.run(server, requests=dice.randrange(1, 20))
            server.kill()
            kills += 1
        end_all(server)
        check_sink(client, sink, kills, seed)
        check_batches(client, batches, kills, seed)
    finally:
        if server.process is not None:
            server.kill()
        sink.close()
        batches.close()


def test_nothing_is_lost_when_killed_while_code_of_users_and_destinations_runs(tmp_path):
    seed = int(os.environ.get("SLUICE_CRASH_SEED", random.randrange(1 << 30)))
    dice = random.Random(seed)
    client, sink, batches, kills = Client(dice), Sink(), Sink(answer_each), 0
    document = workspace([{**webhook("hook", sink.url, delivery={"concurrency": CONCURRENCY}), "transformation": "t"},
                          coded(tmp_path / "types", batches)])
    document["transformations"] = [{"id": "t", "code": "export const transformEvent = (event) => ({ ...event, seen: true });"}]
    server = Sluice(tmp_path, document, env={"SLUICE_STORE_SEGMENT_BYTES": "128KiB", "SLUICE_DELIVERY_SAVE_EVENTS": "50",
                                             "SLUICE_DELIVERY_LOAD": str(BATCH), "SLUICE_DESTINATION_FOLDER": str(tmp_path / "types")})
    try:
        for _ in range(ROUNDS):
            server.start()
            client.run(server, requests=dice.randrange(1, 30))
            server.kill()
            kills += 1
        end_all(server)
        check_sink(client, sink, kills, seed)
        check_batches(client, batches, kills, seed)
        assert all(arrival.json["seen"] for arrival in sink.arrivals)
        assert server.stop() == 0
    finally:
        if server.process is not None:
            server.kill()
        sink.close()
        batches.close()


@pytest.mark.parametrize("point", ["STORE_BEFORE_WRITE", "STORE_BEFORE_SYNC", "STORE_ENOSPC", "STORE_ROLL", "STORE_NOTE", "STORE_DEAD_PUT",
                                   "STORE_CHECKPOINT_WRITE"])
def test_a_failing_disk_is_answered_with_503_and_heals(point, tmp_path):
    sink = Sink()
    sink.behave = lambda arrival, number: Answer(status=400 if arrival.json["event"] == "bad" else 200)
    server = Sluice(tmp_path, workspace([webhook("hook", sink.url)]),
                    env={"SLUICE_STORE_SEGMENT_BYTES": "64KiB", "SLUICE_DELIVERY_SAVE_EVENTS": "20"})
    acked = []
    try:
        server.start(faults=f"{point}=fail@3")
        for n in range(200):
            name = "bad" if n % 10 == 9 else "good"
            event = {"event": name, "anonymousId": f"u{n % 5}", "messageId": f"m{n}", "filler": "x" * 500}
            status, _, headers = server.post("/v1/track", event)
            assert status in (200, 503), status
            if status == 200:
                acked.append(f"m{n}")
            else:
                assert "retry-after" in headers
        assert len(acked) >= 150, "it must heal"
        sink.wait(lambda: set(acked) <= {a.json["messageId"] for a in sink.arrivals}, "all acknowledged events")
        server.wait(lambda: server.destination("hook")["open"] == 0 and server.destination("hook")["behind"] == 0, "everything to end")
        server.assert_conserved()
    finally:
        if server.process is not None:
            server.kill()
        sink.close()
