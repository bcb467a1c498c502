"""An SMTP server for the tests of mail.

Prints its port, and then each mail that it accepts as a line of JSON. The local part of the recipient decides what happens:

- unknown: refused for good
- busy: refused for now
- silent: no answer
- quoting: refused for good with an error that repeats the last line with a link
- any other: accepted

With the argument `login` it wants the user "snack" with the password "p@ss/word". It offers no TLS.
"""
import asyncio
import json
import sys
from email import message_from_bytes, policy

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

LOGIN = LoginPassword(b"snack", b"p@ss/word")


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        match address.partition("@")[0]:
            case "unknown":
                return "550 5.1.1 No such mailbox"
            case "busy":
                return "451 4.3.0 Try again later"
            case "silent":
                await asyncio.Event().wait()
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        mail = message_from_bytes(envelope.content, policy=policy.default)
        part = lambda kind: mail.get_body((kind,)).get_content()
        if envelope.rcpt_tos[0].startswith("quoting@"):
            return "554 5.7.1 Refused " + [line for line in part("plain").splitlines() if "http" in line][-1].split()[-1]
        print(json.dumps({
            "sender": envelope.mail_from,
            "recipients": envelope.rcpt_tos,
            "headers": {name.lower(): str(value) for name, value in mail.items()},
            "plain": part("plain"),
            "html": part("html"),
        }), flush=True)
        return "250 OK"


def authenticate(server, session, envelope, mechanism, data):
    return AuthResult(success=isinstance(data, LoginPassword) and data == LOGIN)


async def main():
    wants_login = "login" in sys.argv[1:]
    options = {"auth_required": wants_login, "auth_require_tls": False, "authenticator": authenticate if wants_login else None}
    serve = lambda: SMTP(Handler(), hostname="localhost", **options)
    server = await asyncio.get_running_loop().create_server(serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())
