"""The same requests on a database with a thousand rows and on one with millions. Called by bench.py."""

import json, random, re, socket, statistics, sys, time, urllib.parse, urllib.request

from common import HERE, Server, cpu, psql, token

SIZES = {
    "small": {"users": 2000, "snacks": 1000, "reactions": 5000, "orders": 1000},
    "large": {"users": 100_000, "snacks": 1_000_000, "reactions": 5_000_000, "orders": 1_000_000},
}
#: The maximum factor between the two sizes.
GROWTH = 1.15


class Client:
    """One connection to a server, with a minimal HTTP client."""

    def __init__(self, server, token):
        self.socket = socket.create_connection(("127.0.0.1", server.port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.token = token

    def send(self, method, path, body=None, token=None):
        """Returns the duration in milliseconds and the body. Any error ends the run."""
        content = b"" if body is None else json.dumps(body).encode()
        request = (f"{method} {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {token or self.token}\r\n"
                   f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n").encode() + content
        began = time.perf_counter()
        self.socket.sendall(request)
        response = b""
        while b"\r\n\r\n" not in response:
            response += self.receive()
        head, _, rest = response.partition(b"\r\n\r\n")
        length = int(re.search(rb"(?i)content-length: (\d+)", head)[1])
        while len(rest) < length:
            rest += self.receive()
        took = (time.perf_counter() - began) * 1000
        if not head.startswith(b"HTTP/1.1 2"):
            raise SystemExit(f"{method} {path}: {head.decode()}\n{rest.decode()}")
        return took, json.loads(rest)

    def receive(self):
        return self.socket.recv(65536) or sys.exit("the server has closed the connection")


class Size:
    """A database of one size and a server on it."""

    def __init__(self, name, program, scratch, port, database):
        self.name, self.rows, self.random = name, SIZES[name], random.Random(1)
        self.server = Server(program, scratch, port, database)
        began = time.time()
        self.sql = lambda text: psql(text, database=database)
        psql(file=HERE / "load.sql", database=database, **self.rows)
        self.loaded = time.time() - began
        self.ready = self.server.start()
        # The server's tasks count the new rows.
        began = time.time()
        while self.sql("SELECT EXISTS (SELECT FROM reaction_dirty) OR EXISTS (SELECT FROM order_dirty WHERE created_at < now() - interval '1 day')") == "t":
            time.sleep(1)
        self.counted = time.time() - began
        psql("VACUUM ANALYZE", database=database)

    def connect(self):
        """Prepares the requests. Only now, because the server closes a connection that is idle for long."""
        self.snacks = self.sql(f"SELECT uid FROM snacks ORDER BY (id * 7919) % {self.rows['snacks']} LIMIT 900").split()
        users = [int(user) for user in self.sql("SELECT id FROM users WHERE member_type = 'member' ORDER BY id DESC LIMIT 200").split()]
        self.tokens = [token(user) for user in users]
        self.admin = token(int(self.sql("SELECT id FROM users WHERE member_type = 'admin'")))
        # The reconcile at the server's start.
        while metric(self, "reaction_reconcile_seconds")[1] < 1:
            time.sleep(0.2)
        self.client = Client(self.server, self.tokens[0])
        self.stale = self.created = None
        self.cursors = {path: self.walk(path) for path in ("/snacks", "/orders")}

    def walk(self, path):
        """The path of the 500th page of two rows."""
        address = f"{path}?limit=2"
        for _ in range(499):
            cursor = self.client.send("GET", address)[1]["next_cursor"]
            address = f"{path}?limit=2&cursor={cursor}"
        return address

    def get(self, path):
        return lambda: self.client.send("GET", path, token=self.random.choice(self.tokens))[0]

    def detail(self):
        return self.client.send("GET", "/snacks/" + self.random.choice(self.snacks), token=self.random.choice(self.tokens))[0]

    def react(self):
        snack, who = self.random.choice(self.snacks), self.random.choice(self.tokens)
        mine = self.client.send("GET", "/snacks/" + snack, token=who)[1]["my_reaction"]
        return self.client.send("POST", f"/snacks/{snack}/reaction", {"type": "hate" if mine == "like" else "like"}, who)[0]

    def order(self):
        wanted = [{"uid": uid, "quantity": 2} for uid in self.random.sample(self.snacks, 3)]
        took, order = self.client.send("POST", "/orders", {"snacks": wanted}, self.random.choice(self.tokens))
        self.move(order, "canceled")
        return took

    def approve(self):
        # An order with a snack that has more hates than likes could not be approved.
        wanted = [{"uid": uid, "quantity": 2} for uid in self.unrated()]
        order = self.client.send("POST", "/orders", {"snacks": wanted}, self.random.choice(self.tokens))[1]
        took = self.move(order, "approved")
        self.move(order, "canceled")
        return took

    def unrated(self):
        if not self.stale:
            self.stale = self.sql("SELECT uid FROM snacks WHERE like_reaction_count >= hate_reaction_count + 2 ORDER BY id LIMIT 3").split()
        return self.stale

    def move(self, order, status):
        return self.client.send("PUT", f"/orders/{order['uid']}/status", {"status": status}, self.admin)[0]


def measure(program, samples, scratch, label):
    """The rows of the table of growth, and notes."""
    sizes = [Size(name, program, scratch, 18770 + at, f"{label}_{name}") for at, name in enumerate(SIZES)]
    for size in sizes:
        size.connect()
    day = time.strftime("%Y-%m-%d", time.gmtime(time.time() - 40 * 86400))
    year = day[:4]
    part = lambda text: f"/snacks?search={urllib.parse.quote(text)}"
    requests = [
        ("GET /snacks", lambda size: size.get("/snacks"), GROWTH, None),
        ("GET /snacks, 500th page", lambda size: size.get(size.cursors["/snacks"]), GROWTH, None),
        ("GET /snacks/{uid}", lambda size: size.detail, GROWTH, None),
        ("POST reaction", lambda size: size.react, GROWTH, None),
        ("GET /orders", lambda size: size.get("/orders"), GROWTH, None),
        ("GET /orders, 500th page", lambda size: size.get(size.cursors["/orders"]), GROWTH, None),
        ("POST /orders", lambda size: size.order, GROWTH, None),
        ("PUT /orders/{uid}/status", lambda size: size.approve, GROWTH, None),
        ("search, common, 2 characters", lambda size: size.get(part("초코")), None, 30),
        ("search, common, 3 characters", lambda size: size.get(part("새우깡")), None, 30),
        ("search, rare, 2 characters", lambda size: size.get(part("흑임")), None, 30),
        ("search, rare, 3 characters", lambda size: size.get(part("흑임자")), None, 30),
        ("search, common, initials", lambda size: size.get(part("ㅅㅇㄲ")), None, 30),
        ("search, rare, 2 letters", lambda size: size.get(part("흐")), None, 30),
        ("search, two words", lambda size: size.get(part("파이 초코")), None, 30),
        ("search, no match", lambda size: size.get(part("zzzzz")), None, 30),
        ("summary of a year by month", lambda size: size.get(f"/statistics/summary?unit=month&year={year}"), None, 50),
        # 2,700 lines of different snacks in the large database.
        ("top snacks of a day", lambda size: size.get(f"/statistics/snacks?from={day}&to={day}"), None, 30),
    ]
    rows = []
    for name, make, growth, most in requests:
        times = {size.name: [] for size in sizes}
        makers = [(size.name, make(size)) for size in sizes]
        # In turns, so that other load on the machine affects both.
        for _ in range(samples):
            for size, once in makers:
                times[size].append(once())
        small, large = (statistics.median(values[len(values) // 10:]) for values in times.values())
        rows.append({"name": name, "small": small, "large": large, "growth": growth, "most": most})
        print(f"{name:<34} {small:8.2f} ms {large:8.2f} ms  x {large / small:.2f}", flush=True)
    large = sizes[1]
    notes = [
        f"Loaded in {large.loaded:.0f} s, and counted by the server's tasks (5,000,000 reactions, three years of days) in another {large.counted:.0f} s.",
        flush(large), reconcile(large),
    ]
    spent = idle(large)
    for size in sizes:
        size.server.stop()
    return rows, notes + [unchanged(spent, idle(large))]


def metric(size, name):
    """The sum and the count of a histogram."""
    text = urllib.request.urlopen(size.server.url + "/metrics").read().decode()
    return tuple(float(found[1]) if (found := re.search(rf"^{name}_{part} (\S+)", text, re.M)) else 0.0 for part in ("sum", "count"))


def flush(size):
    """The duration of a flush of 1,000 changed snacks."""
    times = []
    for turn in range(5):
        before = metric(size, "reaction_flush_seconds")
        size.sql("UPDATE snack_reactions SET type = CASE type WHEN 'like' THEN 'hate' ELSE 'like' END::reaction_type "
                 f"WHERE (snack_id, user_id) IN (SELECT DISTINCT ON (snack_id) snack_id, user_id FROM snack_reactions WHERE snack_id % 1000 = {turn})")
        while (after := metric(size, "reaction_flush_seconds"))[1] == before[1] or size.sql("SELECT EXISTS (SELECT FROM reaction_dirty)") == "t":
            time.sleep(0.05)
        times.append((after[0] - before[0]) * 1000)
    return f"Flush of 1,000 changed snacks: {statistics.median(times):.0f} ms (goal 100)."


def idle(size):
    """CPU of 30 s without requests, in seconds."""
    before = cpu(size.server.process.pid)
    time.sleep(60)
    return {kind: (seconds - before[kind]) / 2 for kind, seconds in cpu(size.server.process.pid).items() if kind != "load"}


def unchanged(spent, without):
    """What the background tasks cost when nothing has changed: `spent`, and `without` servers."""
    without["server"] = 0
    return ("Without requests and changes, all background tasks with 1,000,000 snacks cost in 30 s, the interval of the reconcile: "
            + ", ".join(f"{kind} {seconds:.2f} s" for kind, seconds in spent.items()) + f" of CPU, together {sum(spent.values()):.2f} s; without "
            f"servers PostgreSQL and Redis cost {sum(without.values()):.2f} s. The difference is {sum(spent.values()) - sum(without.values()):.2f} s (goal 0.3).")


def reconcile(size):
    """The duration of a comparison of all snacks, and its effect on other requests."""
    def p99(seconds):
        client, times, end = Client(size.server, size.tokens[0]), [], time.time() + seconds
        while time.time() < end:
            times.append(client.send("GET", "/snacks", token=size.random.choice(size.tokens))[0])
        return sorted(times)[len(times) * 99 // 100]

    # The server reconciles when it starts.
    size.server.stop()
    size.server.start()
    beside = p99(12)
    while metric(size, "reaction_reconcile_seconds")[1] < 1:
        time.sleep(0.2)
    took = metric(size, "reaction_reconcile_seconds")[0]
    alone = p99(12)
    return f"Comparison of 1,000,000 snacks at the start: {took:.1f} s; p99 of GET /snacks {beside:.2f} ms beside it, {alone:.2f} ms alone (goal: below twice)."
