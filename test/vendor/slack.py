"""Slack's incoming webhooks as its manual describes them: a form with `payload`, answers that are words.

It keeps `messages` as pairs of path and payload. `webhooks` names the paths that exist; `refuses` gives one an error of its own.
https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks/#handling_errors
"""
import json

from vendor.base import Vendor

MEMBERS = {"text", "channel", "username", "icon_url", "icon_emoji", "blocks", "attachments", "mrkdwn"}


class Slack(Vendor):
    HOSTS = ["hooks.slack.com"]
    ROUTES = [("POST", r"/services/(?P<team>T\w+)/(?P<hook>B\w+)/(?P<secret>\w+)", "posted")]

    def __init__(self, authority, *webhooks):
        self.webhooks = set(webhooks)
        self.refuses = {}  # path: (status, word)
        self.messages = []
        super().__init__(authority)

    def posted(self, call):
        call.require(call.path in self.webhooks, 404, b"no_service")
        if call.path in self.refuses:
            status, word = self.refuses[call.path]
            return status, word
        call.check(call.headers.get("content-type") == "application/x-www-form-urlencoded", "a payload is the member of a form")
        payload = self._payload(call)
        call.require(payload is not None, 400, b"invalid_payload")
        call.check(payload.keys() <= MEMBERS, f"a message has no {sorted(payload.keys() - MEMBERS)}")
        call.require(bool(payload.get("text")), 400, b"no_text")
        self.messages.append((call.path, payload))
        return 200, b"ok"

    @staticmethod
    def _payload(call):
        try:
            payload = json.loads(call.form.get("payload", ""))
        except ValueError:
            return None
        return payload if isinstance(payload, dict) else None
