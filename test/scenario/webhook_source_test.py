"""Webhook sources: what a vendor sends arrives as events; who it is has to be proved where the source has a secret."""
import base64
import hashlib
import hmac
import json
import re
import subprocess
import time

import pytest
from sluice import BINARY, ROOT, webhook, workspace

SECRET = "a secret of the test"


def source(definition, **config):
    return {"id": "vendor", "write_key": "wk_vendor", "category": "webhook", "definition": definition, "config": config}


@pytest.fixture
def serve_source(serve, sink):
    return lambda definition, **config: serve(workspace([webhook("hook", sink.url)], sources=[source(definition, **config)]))


def send(server, body, headers=None, method="POST", query=""):
    text = body if isinstance(body, (str, bytes)) or body is None else json.dumps(body)
    status, answer, _ = server.request(method, f"/v1/webhook?writeKey=wk_vendor{query}", text, {"Content-Type": "application/json", **(headers or {})})
    return status, answer


def test_a_webhook_is_answered_when_its_event_is_durable_and_the_event_arrives(serve_source, sink):
    server = serve_source("webhook")
    assert send(server, {"order": 7}) == (200, b"ok")
    event = sink.wait_accepted(1)[0].json
    assert (event["type"], event["event"], event["properties"]) == ("track", "webhook_source_event", {"order": 7})
    assert event["anonymousId"] and event["messageId"]
    server.settle()
    server.assert_conserved()


def test_each_event_of_a_payload_with_several_arrives_in_order(serve_source, sink):
    server = serve_source("Braze")
    payloads = [{"event_type": f"e{n}", "user": {"external_user_id": "u"}, "time": 1_700_000_000 + n} for n in range(4)]
    assert send(server, {"events": payloads})[0] == 200
    assert [arrival.json["event"] for arrival in sink.wait_accepted(4)] == ["e0", "e1", "e2", "e3"]


def test_an_event_of_somebody_whom_the_vendor_does_not_know_gets_an_anonymous_id(serve_source, sink):
    server = serve_source("Shopify")
    assert send(server, {"total_price": "7.00"}, query="&topic=orders_create&version=pixel")[0] == 200
    event = sink.wait_accepted(1)[0].json
    assert (event["event"], event["properties"], len(event["anonymousId"])) == ("Order Created", {"value": 7}, 36)


def test_an_answer_that_the_vendor_wants_is_given_and_nothing_is_stored(serve_source, sink):
    server = serve_source("App Center")
    payload = {"text": "Hello from App Center!", "sent_at": "2026-08-07T00:00:00Z"}
    status, answer = send(server, payload)
    assert (status, json.loads(answer)) == (200, payload)
    assert server.stat()["store"]["head"] == 0


def test_a_get_is_answered_for_vendors_that_look_whether_somebody_is_there(serve_source, sink):
    server = serve_source("Segment")
    assert send(server, None, method="GET") == (200, b"")
    assert server.stat()["store"]["head"] == 0


def test_a_probe_is_no_event_where_a_get_is_one(serve_source, sink):
    server = serve_source("webhook")
    assert send(server, None, method="HEAD", query="&color=blue") == (200, b"")
    assert send(server, None, method="GET")[0] == 200
    assert server.stat()["store"]["head"] == 0


@pytest.mark.parametrize("body, content_type, properties", [
    ("a=1&a=2&b=x%20y", "application/x-www-form-urlencoded", {"a": ["1", "2"], "b": ["x y"]}),
    ('--B\r\nContent-Disposition: form-data; name="f"\r\n\r\nline\r\n--B\r\nContent-Disposition: form-data; name="g"; filename="n.txt"\r\n\r\nbytes\r\n--B--\r\n',
     "multipart/form-data; boundary=B", {"f": ["line"], "g": ["n.txt"]})])
def test_forms_are_taken_by_a_plain_webhook(serve_source, sink, body, content_type, properties):
    server = serve_source("webhook")
    assert send(server, body, {"Content-Type": content_type})[0] == 200
    assert sink.wait_accepted(1)[0].json["properties"] == properties


def test_a_query_alone_is_an_event_of_a_plain_webhook(serve_source, sink):
    server = serve_source("webhook")
    assert send(server, None, method="GET", query="&color=blue")[0] == 200
    assert sink.wait_accepted(1)[0].json["properties"] == {"color": ["blue"]}


def signed(algorithm, content, encode=lambda digest: digest.hex()):
    return encode(hmac.new(SECRET.encode(), content, algorithm).digest())


BODY = b'{"type":"track","event":"e","userId":"u","data":{"customer_id":"u"}}'
NESTED = b'{"type":"post.created","event":{"type":"e","event_type":"e","user":"u"},"object":{"author":{"id":"c","userID":"u"}}}'


def in_base64(digest):
    return base64.b64encode(digest).decode()


PROOFS = [
    ("Segment", {"sharedSecret": SECRET}, {"X-Signature": signed(hashlib.sha1, BODY)}),
    ("Customer.io", {"signingKey": SECRET}, {"X-CIO-Timestamp": "17", "X-CIO-Signature": signed(hashlib.sha256, b"v0:17:" + BODY)}),
    ("webhook", {"signingSecret": SECRET}, {"X-Hub-Signature-256": "sha256=" + signed(hashlib.sha256, BODY)}),
    ("Auth0", {"token": SECRET}, {"Authorization": f"Bearer {SECRET}"}),
    ("PostHog", {"token": SECRET}, {"Authorization": SECRET}),
    ("Shopify", {"signingSecret": SECRET}, {
        "X-Shopify-Hmac-Sha256": signed(hashlib.sha256, BODY, in_base64), "X-Shopify-Topic": "fulfillments/update"}),
]
PROOFS_NESTED = [
    ("Slack", {"signingSecret": SECRET},
     {"X-Slack-Request-Timestamp": "17", "X-Slack-Signature": "v0=" + signed(hashlib.sha256, b"v0:17:" + NESTED)}),
    ("PagerDuty", {"signingSecret": SECRET}, {"X-PagerDuty-Signature": "v1=" + signed(hashlib.sha256, NESTED)}),
    ("RevenueCat", {"token": SECRET}, {"Authorization": f"Bearer {SECRET}"}),
    ("Canny", {"apiKey": SECRET}, {"Canny-Nonce": "n-1", "Canny-Signature": signed(hashlib.sha256, b"n-1", in_base64)}),
]
PROOFS_ALL = [(*row, BODY) for row in PROOFS] + [(*row, NESTED) for row in PROOFS_NESTED]


@pytest.mark.parametrize("definition, config, proof, body", PROOFS_ALL, ids=[row[0] for row in PROOFS_ALL])
def test_a_source_with_a_secret_takes_only_what_proves_who_sent_it(serve_source, sink, definition, config, proof, body):
    server = serve_source(definition, **config)
    wrong = {name: value[:-1] + ("0" if value[-1] != "0" else "1") for name, value in proof.items()}
    assert send(server, body)[0] == 401
    assert send(server, body, wrong)[0] == 401
    assert server.stat()["store"]["head"] == 0
    assert send(server, body, proof)[0] == 200
    _, rows, _ = server.cli("tail", "--json", "--outcome", "rejected")
    assert "signature" in rows
    assert SECRET not in rows


def test_one_of_several_signatures_will_do(serve_source):
    server = serve_source("PagerDuty", signingSecret=SECRET)
    other, own = signed(hashlib.sha256, b"signed with another key"), signed(hashlib.sha256, NESTED)
    assert send(server, NESTED, {"X-PagerDuty-Signature": f"v1={other}, v1={own}"})[0] == 200
    assert send(server, NESTED, {"X-PagerDuty-Signature": f"v1={other},v1={other}"})[0] == 401
    assert send(server, NESTED, {"X-PagerDuty-Signature": f"v1={other},{own}"})[0] == 401


@pytest.mark.parametrize("key, status", [(SECRET.encode().hex(), 200), (SECRET.encode().hex().upper(), 200), (SECRET, 401)])
def test_a_key_may_be_set_in_hex(serve_source, key, status):
    server = serve_source("Close CRM", signatureKey=key)
    body = b'{"event":{"object_type":"lead","action":"created","lead_id":"l"}}'
    assert send(server, body, {"Close-Sig-Timestamp": "17", "Close-Sig-Hash": signed(hashlib.sha256, b"17" + body)})[0] == status
    assert send(server, body, {"Close-Sig-Timestamp": "17", "Close-Sig-Hash": hmac.new(b"", b"17" + body, hashlib.sha256).hexdigest()})[0] == 401


def token(claims, secret=SECRET):
    def part(data):
        return base64.urlsafe_b64encode(data).rstrip(b"=")
    head = part(b'{"alg":"HS256","typ":"JWT"}') + b"." + part(json.dumps(claims).encode())
    return (head + b"." + part(hmac.new(secret.encode(), head, hashlib.sha256).digest())).decode()


@pytest.mark.parametrize("given, status", [
    (token({"exp": int(time.time()) + 300, "userId": 7}), 200),
    (token({"exp": time.time() + 300, "aud": "https://hooks.mill.test/" + "long/" * 50}), 200),
    (token({"exp": "never"}), 401),
    (token({"userId": 7}), 200),
    (token({"exp": int(time.time()) - 300}), 401),
    (token({"userId": 7}, secret="another"), 401),
    (token({"userId": 7}).rsplit(".", 1)[0], 401),
    ("..", 401), (".", 401), ("", 401), ("a.b.c", 401)])
def test_a_token_is_signed_and_has_not_expired(serve_source, given, status):
    server = serve_source("monday.com", signingSecret=SECRET)
    assert send(server, {"event": {"type": "create_pulse", "userId": 7}}, {"Authorization": given})[0] == status


def test_a_vendor_is_told_its_challenge(serve_source):
    server = serve_source("Facebook Lead Ads (webhooks)", appSecret=SECRET)
    query = "&hub.mode=subscribe&hub.challenge=11%2022&hub.verify_token=t"
    assert send(server, None, method="GET", query=query) == (200, b"11 22")
    assert send(server, None, method="GET") == (200, b"")


@pytest.mark.parametrize("sources, status, text", [
    ([source("no such vendor")], 404, "source does not accept webhook events"),
    ([{"id": "vendor", "write_key": "wk_vendor"}], 401, "invalid write key"),
    ([{**source("webhook"), "enabled": False}], 404, "source is disabled"),
    ([{"id": "other", "write_key": "wk_other"}], 401, "invalid write key")])
def test_who_may_not_send_is_told_why(serve, sink, sources, status, text):
    server = serve(workspace([webhook("hook", sink.url)], sources=sources))
    assert send(server, {}) == (status, f"{text}\n".encode())


def test_a_payload_that_the_vendor_never_sends_is_refused_with_the_reason_in_tail(serve_source, sink):
    server = serve_source("AppsFlyer")
    assert send(server, {"no": "event name"})[0] == 400
    assert send(server, "{broken")[0] == 400
    _, rows, _ = server.cli("tail", "--json", "--outcome", "rejected")
    reasons = [json.loads(row)["reason"] for row in rows.splitlines()]
    assert any("event_name" in reason for reason in reasons)
    assert any("no JSON" in reason for reason in reasons)
    assert server.stat()["store"]["head"] == 0


def test_the_write_key_may_come_as_basic_user(serve_source, sink):
    server = serve_source("webhook")
    token = base64.b64encode(b"wk_vendor:").decode()
    status, _, _ = server.request("POST", "/v1/webhook", "{}", {"Authorization": f"Basic {token}", "Content-Type": "application/json"})
    assert status == 200
    sink.wait_accepted(1)


def test_the_cases_of_every_source_pass(tmp_path):
    folders = sorted(str(path.parent) for path in (ROOT / "sources").glob("*/definition.json"))
    done = subprocess.run([str(BINARY), "source", "test", *folders], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stdout


def test_the_example_of_the_manual_is_a_source(tmp_path):
    manual = (ROOT / "docs" / "webhook-sources.md").read_text()
    examples = dict(re.findall(r"<!-- example: ([\w.]+) -->\n```\w+\n(.*?)```", manual, re.S))
    (tmp_path / "cases").mkdir()
    (tmp_path / "definition.json").write_text(examples["definition.json"])
    (tmp_path / "transform.js").write_text(examples["transform.js"])
    (tmp_path / "cases" / "shown.json").write_text(examples["case"])
    done = subprocess.run([str(BINARY), "source", "test", str(tmp_path)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "1 passed, 0 failed"), done.stdout
