"""The client that openapi-python-client generates, at work."""

import importlib
import os
import pkgutil
from base64 import b64decode
from io import BytesIO
from typing import TypeVar
from uuid import uuid4

import snack_client
from snack_client import AuthenticatedClient, Client
from snack_client.api.auth import sign_in, sign_up
from snack_client.api.snacks import get_picture, list_snacks, register_snack
from snack_client.models import (
    Currency,
    NewSnackFields,
    NewSnackUpload,
    PageSnack,
    Problem,
    SignIn,
    SignUp,
    Snack,
    Tokens,
    User,
)
from snack_client.types import File

BASE_URL = os.environ["BASE_URL"]
PNG = b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAEUlEQVR42mP4sEoDK2IYWhIAJ1xwgTCquMAAAAAASUVORK5CYII="
)
T = TypeVar("T")


def expect(kind: type[T], answer: object) -> T:
    """The answer, which is of this kind."""
    assert isinstance(answer, kind), answer
    return answer


def main() -> None:
    # Every module, of every call.
    for module in pkgutil.walk_packages(snack_client.__path__, "snack_client."):
        importlib.import_module(module.name)

    email, password = f"{uuid4()}@snack.example", "korea-snack-9"
    anybody = Client(base_url=BASE_URL)
    user = expect(User, sign_up.sync(client=anybody, body=SignUp(email=email, password=password, name="김간식")))
    assert user.email == email
    wrong = SignIn(username=email, password="another-snack-9")
    problem = expect(Problem, sign_in.sync(client=anybody, body=wrong, accept_language="en"))
    assert (problem.code, problem.detail) == ("invalid_credentials", "The email or the password is wrong.")
    tokens = expect(Tokens, sign_in.sync(client=anybody, body=SignIn(username=email, password=password)))
    client = AuthenticatedClient(base_url=BASE_URL, token=tokens.access)

    page = expect(PageSnack, list_snacks.sync(client=client, limit=5))
    assert len(page.results) == 5 and page.next_cursor

    fields = NewSnackFields(name=f"clients {uuid4()}", price=3.99, currency=Currency.USD)
    assert expect(Snack, register_snack.sync(client=client, body=fields)).price == "3.99"
    image = File(payload=BytesIO(PNG), file_name="snack.png", mime_type="image/png")
    upload = NewSnackUpload(name=f"clients {uuid4()}", price="1500", image=image)
    snack = expect(Snack, register_snack.sync(client=client, body=upload))
    path = expect(str, snack.image).removeprefix("/media/")
    picture = expect(File, get_picture.sync(path, client=client))
    assert picture.payload.read()[:3] in (b"\x89PN", b"\xff\xd8\xff")
    print("openapi-python-client: imported, signed in, listed, registered, uploaded, read a picture")


main()
