"""The same calls with a thousand rows and with millions: what grows, and by how much. See bench.py."""

import json, random, re, socket, statistics, sys, time, urllib.parse, urllib.request

from common import HERE, Server, psql, token

SIZES = {
    "small": {"users": 2000, "snacks": 1000, "reactions": 5000, "orders": 1000},
    "large": {"users": 100_000, "snacks": 1_000_000, "reactions": 5_000_000, "orders": 1_000_000},
}
#: The most that a call may grow by.
GROWTH = 1.3


class Line:
    """One connection to a server, with as little of a client as will do."""

    def __init__(self, server, token):
        self.socket = socket.create_connection(("127.0.0.1", server.port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.token = token

    def call(self, method, path, body=None, token=None):
        """Returns the milliseconds that it took and the body; anything but a success ends the run."""
        content = b"" if body is None else json.dumps(body).encode()
        request = (f"{method} {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {token or self.token}\r\n"
                   f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n").encode() + content
        began = time.perf_counter()
        self.socket.sendall(request)
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += self.receive()
        head, _, rest = answer.partition(b"\r\n\r\n")
        length = int(re.search(rb"(?i)content-length: (\d+)", head)[1])
        while len(rest) < length:
            rest += self.receive()
        took = (time.perf_counter() - began) * 1000
        if not head.startswith(b"HTTP/1.1 2"):
            raise SystemExit(f"{method} {path}: {head.decode()}\n{rest.decode()}")
        return took, json.loads(rest)

    def receive(self):
        return self.socket.recv(65536) or sys.exit("the server has hung up")


class Size:
    """A database of one size and a server on it."""

    def __init__(self, name, arguments, scratch, port):
        self.name, self.rows, self.random = name, SIZES[name], random.Random(1)
        self.server = Server(arguments.program, scratch, port, database=name)
        began = time.time()
        self.sql = lambda text: psql(text, database=name)
        psql(file=HERE / "load.sql", database=name, **self.rows)
        self.loaded = time.time() - began
        self.ready = self.server.start()
        # The server's own tasks count what the load has brought.
        began = time.time()
        while self.sql("SELECT EXISTS (SELECT FROM reaction_dirty) OR EXISTS (SELECT FROM order_dirty WHERE created_at < now() - interval '1 day')") == "t":
            time.sleep(1)
        self.counted = time.time() - began
        psql("VACUUM ANALYZE", database=name)

    def meet(self):
        """Who asks for what. Not before it is asked: a connection that says nothing for long is closed."""
        self.snacks = self.sql(f"SELECT uid FROM snacks ORDER BY (id * 7919) % {self.rows['snacks']} LIMIT 900").split()
        users = [int(user) for user in self.sql("SELECT id FROM users WHERE member_type = 'member' ORDER BY id DESC LIMIT 200").split()]
        self.tokens = [token(user) for user in users]
        self.admin = token(int(self.sql("SELECT id FROM users WHERE member_type = 'admin'")))
        # The reconcile that every server begins with.
        while metric(self, "reaction_reconcile_seconds")[1] < 1:
            time.sleep(0.2)
        self.line = Line(self.server, self.tokens[0])
        self.stale = self.created = None
        self.cursors = {path: self.walk(path) for path in ("/snacks", "/orders")}

    def walk(self, path):
        """The address of the 500th page, two rows each."""
        address = f"{path}?limit=2"
        for _ in range(499):
            cursor = self.line.call("GET", address)[1]["next_cursor"]
            address = f"{path}?limit=2&cursor={cursor}"
        return address

    def get(self, path):
        return lambda: self.line.call("GET", path, token=self.random.choice(self.tokens))[0]

    def detail(self):
        return self.line.call("GET", "/snacks/" + self.random.choice(self.snacks), token=self.random.choice(self.tokens))[0]

    def react(self):
        snack, who = self.random.choice(self.snacks), self.random.choice(self.tokens)
        mine = self.line.call("GET", "/snacks/" + snack, token=who)[1]["my_reaction"]
        return self.line.call("POST", f"/snacks/{snack}/reaction", {"type": "hate" if mine == "like" else "like"}, who)[0]

    def order(self):
        wanted = [{"uid": uid, "quantity": 2} for uid in self.random.sample(self.snacks, 3)]
        took, order = self.line.call("POST", "/orders", {"snacks": wanted}, self.random.choice(self.tokens))
        self.move(order, "canceled")
        return took

    def approve(self):
        # Nobody rates these: a hated snack would be refused.
        wanted = [{"uid": uid, "quantity": 2} for uid in self.unrated()]
        order = self.line.call("POST", "/orders", {"snacks": wanted}, self.random.choice(self.tokens))[1]
        took = self.move(order, "approved")
        self.move(order, "canceled")
        return took

    def unrated(self):
        if not self.stale:
            self.stale = self.sql("SELECT uid FROM snacks WHERE like_reaction_count >= hate_reaction_count + 2 ORDER BY id LIMIT 3").split()
        return self.stale

    def move(self, order, status):
        return self.line.call("PUT", f"/orders/{order['uid']}/status", {"status": status}, self.admin)[0]


def measure(arguments, scratch):
    """Rows of the table of growth, and lines of text beside it."""
    sizes = [Size(name, arguments, scratch, 18770 + at) for at, name in enumerate(SIZES)]
    for size in sizes:
        size.meet()
    year, month = time.gmtime(time.time() - 40 * 86400)[:2]
    part = lambda text: f"/snacks?search={urllib.parse.quote(text)}"
    calls = [
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
        ("search, nowhere", lambda size: size.get(part("zzzzz")), None, 30),
        ("summary of a year by month", lambda size: size.get(f"/statistics/summary?unit=month&year={year}"), None, 50),
        ("top snacks of a month", lambda size: size.get(f"/statistics/snacks?year={year}&month={month}"), None, 50),
    ]
    rows = []
    for name, make, growth, most in calls:
        samples = {size.name: [] for size in sizes}
        makers = [(size.name, make(size)) for size in sizes]
        # In turns, so that what else the machine does meets both.
        for _ in range(arguments.samples):
            for size, once in makers:
                samples[size].append(once())
        small, large = (statistics.median(values[len(values) // 10:]) for values in samples.values())
        rows.append({"name": name, "small": small, "large": large, "growth": growth, "most": most})
        print(f"{name:<34} {small:8.2f} ms {large:8.2f} ms  x {large / small:.2f}", flush=True)
    large = sizes[1]
    notes = [
        f"Loaded in {large.loaded:.0f} s, and counted by the server's own tasks (5,000,000 reactions, three years of days) in another {large.counted:.0f} s.",
        flush(large), reconcile(large, arguments),
    ]
    for size in sizes:
        size.server.stop()
    return rows, notes


def metric(size, name):
    """Sum and count of a histogram so far."""
    text = urllib.request.urlopen(size.server.url + "/metrics").read().decode()
    return tuple(float(found[1]) if (found := re.search(rf"^{name}_{part} (\S+)", text, re.M)) else 0.0 for part in ("sum", "count"))


def flush(size):
    """How long the flush of 1,000 touched snacks takes."""
    times = []
    for turn in range(5):
        before = metric(size, "reaction_flush_seconds")
        size.sql("UPDATE snack_reactions SET type = CASE type WHEN 'like' THEN 'hate' ELSE 'like' END::reaction_type "
                 f"WHERE (snack_id, user_id) IN (SELECT DISTINCT ON (snack_id) snack_id, user_id FROM snack_reactions WHERE snack_id % 1000 = {turn})")
        while (after := metric(size, "reaction_flush_seconds"))[1] == before[1] or size.sql("SELECT EXISTS (SELECT FROM reaction_dirty)") == "t":
            time.sleep(0.05)
        times.append((after[0] - before[0]) * 1000)
    return f"Flush of 1,000 touched snacks: {statistics.median(times):.0f} ms (goal 200)."


def reconcile(size, arguments):
    """How long the whole reconcile takes, and what it does to others."""
    def p99(seconds):
        line, times, end = Line(size.server, size.tokens[0]), [], time.time() + seconds
        while time.time() < end:
            times.append(line.call("GET", "/snacks", token=size.random.choice(size.tokens))[0])
        return sorted(times)[len(times) * 99 // 100]

    # One begins with the server.
    size.server.stop()
    size.server.start()
    beside = p99(12)
    while metric(size, "reaction_reconcile_seconds")[1] < 1:
        time.sleep(0.2)
    took = metric(size, "reaction_reconcile_seconds")[0]
    alone = p99(12)
    return f"Reconcile of 1,000,000 snacks: {took:.1f} s (goal 30); p99 of GET /snacks {beside:.2f} ms beside it, {alone:.2f} ms alone (goal: below twice)."
