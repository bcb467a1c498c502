"""A webhook, verified by the official library of Standard Webhooks."""

import os
from http.server import BaseHTTPRequestHandler, HTTPServer
from queue import Queue
from threading import Thread
from typing import TypeVar

from snack_client import AuthenticatedClient, Client
from snack_client.api.auth import sign_in
from snack_client.api.channels import create_channel, test_channel
from snack_client.models import Channel, ChannelFields, ChannelKind, Delivery, DeliveryStatus, EventType, SignIn, Tokens
from standardwebhooks import Webhook, WebhookVerificationError

BASE_URL = os.environ["BASE_URL"]
# The admin of the demo data.
EMAIL, PASSWORD = "admin@snack.example", "snack-demo-2024!"
T = TypeVar("T")

received: Queue[tuple[bytes, dict[str, str]]] = Queue()


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        received.put((self.rfile.read(int(self.headers["content-length"])), dict(self.headers)))
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


def expect(kind: type[T], answer: object) -> T:
    """The answer, which is of this kind."""
    assert isinstance(answer, kind), answer
    return answer


def refuses(webhook: Webhook, body: bytes, headers: dict[str, str]) -> bool:
    try:
        webhook.verify(body, headers)
    except WebhookVerificationError:
        return True
    return False


def main() -> None:
    server = HTTPServer(("127.0.0.1", 0), Receiver)
    Thread(target=server.serve_forever, daemon=True).start()
    tokens = expect(Tokens, sign_in.sync(client=Client(base_url=BASE_URL), body=SignIn(username=EMAIL, password=PASSWORD)))
    client = AuthenticatedClient(base_url=BASE_URL, token=tokens.access)
    fields = ChannelFields(
        kind=ChannelKind.WEBHOOK,
        name="clients",
        url=f"http://127.0.0.1:{server.server_port}/hook",
        events=[EventType.ORDER_CREATED],
    )
    channel = expect(Channel, create_channel.sync(client=client, body=fields))
    delivery = expect(Delivery, test_channel.sync(channel.id, client=client))
    assert delivery.status == DeliveryStatus.DELIVERED, delivery

    body, headers = received.get(timeout=30)
    webhook = Webhook(expect(str, channel.secret))
    event = webhook.verify(body, headers)
    assert event["type"] == "test" and event["data"]["actor"]["name"], event
    assert refuses(webhook, body.replace(b"test", b"tset"), headers)
    assert refuses(webhook, body, {**headers, "webhook-id": "msg_another"})
    assert refuses(Webhook("whsec_" + "A" * 43 + "="), body, headers)
    print("standardwebhooks: verified the body, refused it with another body, id and secret")


main()
