"""Runs Schemathesis as several users against the server at BASE_URL, which has the demo data. Called by scripts/fuzz."""

import json, os, subprocess, sys, tempfile, urllib.request
from pathlib import Path

BASE_URL, SERVER = os.environ["BASE_URL"], os.environ["SERVER"]
# These sign the caller out or change the caller's role: the rest of a run would only meet 401 and 403. Their runs come last.
ENDING = ["sign_out", "change_password", "change_member_type", "change_member_type_by_patch"]


def call(method, path, token=None, body=None):
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    request = urllib.request.Request(BASE_URL + path, method=method, headers=headers, data=body and json.dumps(body).encode())
    return json.load(urllib.request.urlopen(request, timeout=30))


def accounts():
    """The emails of the demo data's admin and member, and the password of all demo users."""
    output = subprocess.run([SERVER, "demo-data"], check=True, stdout=subprocess.PIPE, text=True).stdout
    rows = [line.split() for line in output.splitlines()]
    by_type = {row[0]: row[1:] for row in rows if row and row[0] in ("admin", "member")}
    return by_type["admin"][0], by_type["member"][0], by_type["admin"][1]


def create_admin(email, password):
    environment = os.environ | {"SNACK_ADMIN_PASSWORD": password}
    subprocess.run([SERVER, "create-admin", "--email", email, "--name", email], check=True, env=environment, stdout=subprocess.DEVNULL)


def write_dictionary(folder, name, values):
    (folder / f"{name}.dict").write_text("".join(json.dumps(value) + "\n" for value in values))


def main(folder):
    admin, member, password = accounts()
    create_admin("spare-admin@snack.example", password)
    create_admin("leaver@snack.example", password)
    sign_in = lambda email: call("POST", "/auth/token", body={"email": email, "password": password})["access"]

    token = sign_in(admin)
    snacks = call("GET", "/snacks?limit=30", token)["results"]
    write_dictionary(folder, "snacks", [snack["uid"] for snack in snacks])
    write_dictionary(folder, "pictures", [snack["image"].removeprefix("/media/") for snack in snacks if snack["image"]])
    write_dictionary(folder, "orders", [order["uid"] for order in call("GET", "/orders?limit=30", token)["results"]])
    write_dictionary(folder, "passwords", [password])
    settings = folder / "schemathesis.toml" # the dictionaries are found beside it
    settings.write_text(Path(__file__).with_name("schemathesis.toml").read_text())

    failed = []

    def run(name, email, *options):
        print(f"\n=== {name}", flush=True)
        # A snack without a reaction is no missing resource. (This setting has no effect in the file beside --checks all.)
        command = [".local/schemathesis/bin/schemathesis", "--config-file", settings, "run", f"{BASE_URL}/openapi.json", "--no-color",
                   "--checks", "all", "--exclude-checks", "ensure_resource_availability",
                   "--header", f"Authorization: Bearer {sign_in(email)}", *options, *sys.argv[1:]]
        if subprocess.run(command).returncode:
            failed.append(name)

    including = [f"--include-operation-id={operation}" for operation in ENDING]
    excluding = [f"--exclude-operation-id={operation}" for operation in [*ENDING, "resign"]]
    run("as an admin", admin, *excluding)
    call("GET", "/checks/is_admin", token)  # fails if a request has changed the role
    run("as a member", member, *excluding)
    run("passwords and roles", "spare-admin@snack.example", *including)
    run("resigning", "leaver@snack.example", "--include-operation-id=resign")
    if failed:
        log = Path(os.environ["SERVER_LOG"]).read_text().splitlines()[-20:]
        sys.exit("\n".join([*log, *(f"fuzz: failed: {name}" for name in failed)]))


with tempfile.TemporaryDirectory() as folder:
    main(Path(folder))
