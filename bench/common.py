"""Shared by the benchmarks: SQL, tokens, and the server that is measured."""

import base64, hashlib, hmac, json, os, re, resource, subprocess, sys, time, urllib.parse, urllib.request
from pathlib import Path

HERE = Path(__file__).parent
SECRET = os.urandom(32).hex()


def sh(*command, **options):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, **options).stdout


def url_of(database=None):
    """The URL of another database of the PostgreSQL in DATABASE_URL."""
    url = os.environ["DATABASE_URL"]
    return url if database is None else urllib.parse.urlsplit(url)._replace(path="/" + database).geturl()


def psql(sql=None, file=None, database=None, **variables):
    arguments = [f"-v{name}={value}" for name, value in variables.items()]
    arguments += ["-c", sql] if sql else ["-f", str(file)]
    # VACUUM warns about every system table, because the role is no superuser.
    # The time limits of the server belong to its role, and loading a million rows takes longer.
    environment = os.environ | {"PGOPTIONS": "-c client_min_messages=error -c statement_timeout=0"}
    return sh("psql", url_of(database), "-qXAt", "-v", "ON_ERROR_STOP=1", *arguments, env=environment).strip()


def token(user):
    """An access token for a user, signed with the server's key."""
    part = lambda value: base64.urlsafe_b64encode(value).rstrip(b"=")
    now = int(time.time())
    claims = {"token_type": "access", "user_id": user, "jti": "00000000-0000-4000-8000-%012d" % user, "iat": now, "exp": now + 36000}
    signed = b".".join(part(json.dumps(it).encode()) for it in ({"alg": "HS256", "typ": "JWT"}, claims))
    return (signed + b"." + part(hmac.new(SECRET.encode(), signed, hashlib.sha256).digest())).decode()


def cpu(server):
    """Seconds of CPU so far: of the process `server`, and of all processes of the other kinds."""
    seconds = {"server": 0.0, "postgres": 0.0, "redis": 0.0, "load": 0.0}
    kinds = {"postgres": "postgres", "redis-server": "redis"}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, rest = stat.read_text().split("(", 1)[1].rsplit(")", 1)
        except (OSError, IndexError):
            continue
        kind = "server" if stat.parent.name == str(server) else next((kinds[prefix] for prefix in kinds if name.startswith(prefix)), None)
        if kind:
            # Includes ended children, because Postgres has a process for each connection.
            seconds[kind] += sum(map(int, rest.split()[11:15])) / os.sysconf("SC_CLK_TCK")
    load = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds["load"] = load.ru_utime + load.ru_stime
    return seconds


class Server:
    """The release binary with the settings of `make run` that matter here, on a new database with one admin."""

    def __init__(self, program, scratch, port, database):
        self.program, self.port, self.url = program, port, f"http://127.0.0.1:{port}"
        self.log = scratch / f"{database}.log"
        media = scratch / f"{database}-media"
        media.mkdir()
        self.environment = os.environ | {
            "DATABASE_URL": url_of(database), "REDIS_PREFIX": f"{database}:", "JWT_SECRET": SECRET,
            "HTTP_ADDR": f"127.0.0.1:{port}", "MEDIA_URL": f"file://{media}",
            # All requests come from one address.
            "LIMIT_SIGN_IN_ADDRESS": "1000000/1s", "LIMIT_SIGN_IN_ACCOUNT": "1000000/1s",
            "LIMIT_WRITES_USER": "1000000/1s",
        }
        psql(f"CREATE DATABASE {database}")
        sh(program, "create-admin", "--email", "admin@bench.example", "--name", "관리자",
           env=self.environment | {"SNACK_ADMIN_PASSWORD": "korea-snack-9"})
        self.process = None

    def start(self):
        """Returns the seconds until it was ready."""
        began = time.time()
        self.process = subprocess.Popen([self.program], env=self.environment, stderr=self.log.open("ab"), stdout=subprocess.DEVNULL)
        while True:
            try:
                urllib.request.urlopen(self.url + "/health/ready", timeout=1).read()
                return time.time() - began
            except OSError:
                if self.process.poll() is not None:
                    sys.exit(self.log.read_text()[-2000:])
                time.sleep(0.002)

    def stop(self):
        self.process.terminate()
        self.process.wait()

    def status(self, name):
        """A number of /proc/PID/status."""
        return int(re.search(rf"^{name}:\s+(\d+)", Path(f"/proc/{self.process.pid}/status").read_text(), re.M)[1])

    def rss(self):
        """Resident memory in MiB."""
        return self.status("VmRSS") / 1024
