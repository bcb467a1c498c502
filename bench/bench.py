"""Measures the server beside pgbench with the same SQL, and writes bench/RESULTS.md.

Called by scripts/bench, which builds the release binary and starts Redis and a durable PostgreSQL. Each figure is the median of
rounds that alternate: the server, then its yardstick, in the same minute.
"""

import argparse, json, os, re, selectors, shutil, socket, statistics, subprocess, tempfile, threading, time, urllib.error, urllib.request
from pathlib import Path

import growth
from common import HERE, Server, cpu, psql, sh, token, url_of

CONNECTIONS = (1, 16, 64)
#: The settings of the server's own connections (src/db/connect.rs). Without them Postgres scans whole tables.
SETTINGS = "-c random_page_cost=1.1 -c jit=off"

# The SQL of a simple service with the same endpoints.
LIST = r"""\set user random(1002, :users)
SELECT s.uid, s.name, s.url, s."desc", s.image, s.thumbnail, s.currency, s.price, s.status, s.like_reaction_count,
    s.hate_reaction_count, s.like_ratio, s.counter_epoch, s.created_at, s.updated_at, mine.type, person.id, person.name
FROM snacks AS s LEFT JOIN users AS person ON person.id = s.registered_by
LEFT JOIN snack_reactions AS mine ON mine.snack_id = s.id AND mine.user_id = :user
WHERE s.status = 'available'
ORDER BY s.like_ratio DESC, s.like_reaction_count DESC, (-s.hate_reaction_count) DESC, s.id DESC LIMIT 21;
"""
DETAIL = r"""\set user random(1002, :users)
\set snack random(1, :snacks)
SELECT s.uid, s.name, s.url, s."desc", s.image, s.thumbnail, s.currency, s.price, s.status, s.like_reaction_count,
    s.hate_reaction_count, s.like_ratio, s.counter_epoch, s.created_at, s.updated_at, mine.type, person.id, person.name
FROM snacks AS s LEFT JOIN users AS person ON person.id = s.registered_by
LEFT JOIN snack_reactions AS mine ON mine.snack_id = s.id AND mine.user_id = :user
WHERE s.id = :snack;
"""
UPSERT = r"""\set user random(1002, :users)
\set snack random(1, :among)
INSERT INTO yardstick_reactions (snack_id, user_id, type) VALUES (:snack, :user, 'like')
ON CONFLICT (snack_id, user_id) DO UPDATE SET type = CASE yardstick_reactions.type WHEN 'like' THEN 'hate' ELSE 'like' END::reaction_type,
    created_at = now();
"""
ORDERS = r"""SELECT o.id, o.uid, o.status, o.estimated_arrival_time, o.version, o.created_at, o.updated_at, o.user_id, person.name, person.email
FROM orders AS o JOIN users AS person ON person.id = o.user_id ORDER BY o.created_at DESC, o.id DESC LIMIT 21;
SELECT p.order_id, p.quantity, p.unit_price, p.currency, s.uid, s.name, s.url, s."desc", s.image, s.thumbnail
FROM purchases AS p JOIN snacks AS s ON s.id = p.snack_id
WHERE p.order_id IN (SELECT id FROM orders ORDER BY created_at DESC, id DESC LIMIT 20) ORDER BY p.order_id, p.position;
"""
ORDER = r"""\set user random(1002, :users)
BEGIN;
SELECT nextval('yardstick_stock') AS next \gset
INSERT INTO orders (user_id) VALUES (:user) RETURNING id AS order \gset
INSERT INTO purchases (order_id, snack_id, position, quantity, unit_price, currency)
SELECT :order, id, 0, 2, price, currency FROM snacks WHERE id IN (:next, :next + 1, :next + 2) ORDER BY id;
INSERT INTO order_history (order_id, from_status, to_status, actor_id) VALUES (:order, NULL, 'created', :user);
COMMIT;
"""


class Streams:
    """Open streams of events that are read as fast as they come, one for each token."""

    def __init__(self, server, tokens):
        self.port, self.tokens, self.bytes = server.port, tokens, 0
        self.stopping = threading.Event()

    def __enter__(self):
        self.selector = selectors.DefaultSelector()
        for token in self.tokens:
            stream = socket.create_connection(("127.0.0.1", self.port))
            stream.sendall(f"GET /events HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
            assert stream.recv(4096).startswith(b"HTTP/1.1 200 "), "no stream"
            stream.setblocking(False)
            self.selector.register(stream, selectors.EVENT_READ)
        self.thread = threading.Thread(target=self.read)
        self.thread.start()
        return self

    def read(self):
        buffer = bytearray(1 << 20)
        while not self.stopping.is_set():
            for key, _ in self.selector.select(0.1):
                count = key.fileobj.recv_into(buffer)
                assert count, "a stream has ended"
                self.bytes += count

    def __exit__(self, *_):
        self.stopping.set()
        self.thread.join()
        for key in list(self.selector.get_map().values()):
            key.fileobj.close()
        self.selector.close()


class Bench:
    """A server with a database of its own, and the requests to it. `former` is that of the release before, which is measured in turns."""

    def __init__(self, arguments, program, scratch, port, database, former=None, analyze=True):
        self.arguments, self.database, self.former = arguments, database, former
        self.scratch = scratch / database
        self.scratch.mkdir()
        self.server = Server(program, self.scratch, port, database)
        if not analyze:
            # Otherwise autovacuum would come.
            psql("DO $$ DECLARE name text; BEGIN FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP "
                 "EXECUTE format('ALTER TABLE %I SET (autovacuum_enabled = false)', name); END LOOP; END $$", database=database)
        # Half of the users have reactions already; the other half sends the requests.
        psql(file=HERE / "load.sql", database=database, users=2000, snacks=1000, reactions=20000, orders=1000)
        psql("CREATE TABLE yardstick_reactions (LIKE snack_reactions INCLUDING ALL);"
             "ALTER TABLE yardstick_reactions ADD FOREIGN KEY (snack_id) REFERENCES snacks, ADD FOREIGN KEY (user_id) REFERENCES users;"
             "DELETE FROM snack_reactions WHERE user_id > 1001", database=database)
        if analyze:
            psql("VACUUM ANALYZE", database=database)
        (self.scratch / "tokens").write_text("".join(token(user) + "\n" for user in range(1002, 2002)))
        (self.scratch / "snacks").write_text(psql("SELECT uid FROM snacks ORDER BY id", database=database) + "\n")
        (self.scratch / "stock").write_text("")
        self.ready = self.server.start()
        self.counts, self.users, self.snacks = {}, 2001, 1000

    def wrk(self, work, connections, seconds, snacks="snacks"):
        environment = os.environ | {
            "WORK": work, "TOKENS": str(self.scratch / "tokens"), "SNACKS": str(self.scratch / snacks),
            "STOCK": str(self.scratch / "stock"), "FIRST": str(self.counts.get(work, 0)), "YEAR": time.strftime("%Y"),
        }
        before = cpu(self.server.process.pid)
        out = sh("wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", "-s", str(HERE / "load.lua"), self.server.url, env=environment)
        spent = {kind: after - before[kind] for kind, after in cpu(self.server.process.pid).items()}
        found = re.search(r"RESULT (\d+) (\d+) (\d+) (\d+) (\d+) (\d+)", out)
        requests, duration, p50, p99, failed, self.counts[work] = map(int, found.groups())
        return {"rate": requests / duration * 1e6, "p50": p50 / 1000, "p99": p99 / 1000, "failed": failed,
                "cpu": {kind: seconds / requests * 1e6 for kind, seconds in spent.items()}, "rss": self.server.rss()}

    def pgbench(self, script, connections, seconds, among=None):
        path = self.scratch / "yardstick.sql"
        path.write_text(script)
        out = sh("pgbench", "-n", "-M", "prepared", "-f", str(path), "-c", str(connections), "-j", "1", "-T", str(seconds),
                 "-D", f"users={self.users}", "-D", f"snacks={self.snacks}", "-D", f"among={among or self.snacks}",
                 url_of(self.database), env=os.environ | {"PGOPTIONS": SETTINGS})
        return float(re.search(r"tps = ([\d.]+) \(without", out)[1])

    def idle(self):
        """The load of a server without requests."""
        transactions = lambda: int(psql(f"SELECT xact_commit FROM pg_stat_database WHERE datname = '{self.database}'"))
        switches = lambda: sum(int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", status.read_text(), re.M)[1])
                               for status in Path(f"/proc/{self.server.process.pid}/task").glob("*/status"))
        seconds = 3 if self.arguments.quick else 20
        time.sleep(seconds)
        busy_so_far = lambda: cpu(self.server.process.pid)["server"]
        before = switches(), transactions(), busy_so_far()
        time.sleep(seconds)
        woken, asked, busy = (after - earlier for earlier, after in zip(before, (switches(), transactions(), busy_so_far())))
        return f"Idle: {woken / seconds:.1f} wake-ups and {asked / seconds:.1f} transactions a second, {busy / seconds * 100:.1f}% of a core."

    def beside_sign_ins(self):
        """The effect of sign-ins on other requests: p99 of GET /snacks alone and beside 50 clients that sign in all the time."""
        alone, beside = [], []
        for _ in range(self.arguments.rounds):
            alone.append(self.wrk("list", 4, self.arguments.seconds)["p99"])
            crowd = threading.Thread(target=self.wrk, args=("token", 50, self.arguments.seconds + 1))
            crowd.start()
            beside.append(self.wrk("list", 4, self.arguments.seconds)["p99"])
            crowd.join()
        alone, beside = statistics.median(alone), statistics.median(beside)
        return (f"p99 of `GET /snacks` at 4 connections: {alone:.1f} ms alone, {beside:.1f} ms beside 50 clients that sign in all the time "
                f"({beside / alone:.2f} times; goal: below 2).")

    def row(self, name, work, yardstick, connections, beside=None, **more):
        rounds = []
        for _ in range(self.arguments.rounds):
            stop = threading.Event()
            other = threading.Thread(target=beside, args=(stop,)) if beside else None
            if other:
                other.start()
            try:
                mine = self.wrk(work, connections, self.arguments.seconds)
            finally:
                stop.set()
                if other:
                    other.join()
            former = self.former.wrk(work, connections, self.arguments.seconds) if self.former else None
            theirs = yardstick(connections) if callable(yardstick) else self.pgbench(yardstick, connections, self.arguments.seconds, **more)
            rounds.append((mine, theirs, former))
        return self.summary(name, connections, rounds)

    def summary(self, name, connections, rounds):
        """Medians of rounds, each a result of wrk, the rate of the yardstick, and the result of the release before or None."""
        result = {"name": name, "connections": connections, "yardstick": statistics.median(theirs for _, theirs, _ in rounds),
                  "failed": sum(mine["failed"] for mine, _, _ in rounds), "rss": max(mine["rss"] for mine, _, _ in rounds)}
        result |= medians([(mine, theirs) for mine, theirs, _ in rounds])
        result["former"] = medians([(former, theirs) for _, theirs, former in rounds]) if rounds[0][2] else None
        print(f"{name:<34} {connections:>3} {result['rate']:>9.0f}/s {result['p50']:>8.2f} {result['p99']:>8.2f} ms  yardstick "
              f"{result['yardstick']:>8.0f}/s  ratio {result['ratio']:.2f}  failed {result['failed']}  µs "
              + " ".join(f"{kind} {micros:.1f}" for kind, micros in result["cpu"].items())
              + (f"  before: ratio {result['former']['ratio']:.2f}, {spent(result['former'])}" if result["former"] else ""), flush=True)
        return result

    def beside_streams(self, name, work, connections=64, streams=200):
        """The rate of `work` with open streams of events, and as yardstick that without them."""
        rounds = []
        # More rounds than for other rows, because a twentieth is at stake.
        for number in range(1 if self.arguments.quick else 3 * self.arguments.rounds):
            pair = {}
            for count in ((0, streams), (streams, 0))[number % 2]:
                with Streams(self.server, (self.scratch / "tokens").read_text().split()[:count]) as readers:
                    pair[count] = self.wrk(work, connections, self.arguments.seconds)
                if count:
                    read = readers.bytes / self.arguments.seconds / 2**20
            rounds.append((pair[streams], pair[0]))
            cost = {count: sum(result["cpu"][kind] for kind in ("server", "postgres", "redis")) for count, result in pair.items()}
            print(f"  {pair[streams]['rate']:.0f}/s with streams that read {read:.1f} MiB/s, {pair[0]['rate']:.0f}/s without; "
                  f"{cost[streams]:.0f} and {cost[0]:.0f} µs of CPU for each", flush=True)
        return self.summary(name, connections, [(mine, theirs["rate"], None) for mine, theirs in rounds])

    def react_beside(self, stop):
        """50 reactions a second by other users."""
        uids, tokens = (self.scratch / "snacks").read_text().split(), (self.scratch / "tokens").read_text().split()
        number = 0
        while not stop.wait(0.02):
            kind = "like" if number // 1000 % 2 else "hate"
            request = urllib.request.Request(
                f"{self.server.url}/snacks/{uids[number % len(uids)]}/reaction", method="POST", data=json.dumps({"type": kind}).encode(),
                headers={"Content-Type": "application/json", "Authorization": "Bearer " + tokens[number * 7 % len(tokens)]})
            try:
                urllib.request.urlopen(request).read()
            except urllib.error.HTTPError:
                pass  # The reaction exists already.
            number += 1


    def clear_reactions(self):
        """The users have no reactions then, so that every request succeeds."""
        psql("DELETE FROM snack_reactions WHERE user_id > 1001", database=self.database)
        psql("VACUUM ANALYZE", database=self.database)

    def stock(self):
        """Adds snacks without orders: half for the server, half for the yardstick."""
        psql("""INSERT INTO snacks (name, name_key, price) SELECT 'stock ' || n, 'stock ' || n, 500 FROM generate_series(1, 400000) AS n;
                ANALYZE snacks""", database=self.database)
        middle = psql("SELECT min(id) + 200000 FROM snacks WHERE name_key LIKE 'stock %'", database=self.database)
        (self.scratch / "stock").write_text(
            psql(f"SELECT uid FROM snacks WHERE name_key LIKE 'stock %' AND id < {middle} ORDER BY id", database=self.database) + "\n")
        psql(f"CREATE SEQUENCE yardstick_stock INCREMENT 3 START {middle}", database=self.database)

    def overhead(self, bare):
        """What a request costs that asks for nothing: CPU of the server, and that of a bare axum route."""
        address = ("127.0.0.1", 18767)
        process = subprocess.Popen([bare, "%s:%s" % address])
        try:
            wait_for(address)
            rounds = []
            for _ in range(3 * self.arguments.rounds):
                before = cpu(process.pid)["server"]
                out = sh("wrk", "-t1", "-c64", f"-d{self.arguments.seconds}s", "http://%s:%s/health/live" % address)
                theirs = (cpu(process.pid)["server"] - before) / int(re.search(r"(\d+) requests in", out)[1]) * 1e6
                servers = [self] + ([self.former] if self.former else [])
                rounds.append([theirs] + [bench.wrk("live", 64, self.arguments.seconds)["cpu"]["server"] for bench in servers])
        finally:
            process.kill()
            process.wait()
        theirs, mine, *former = map(statistics.median, zip(*rounds))
        times = [statistics.median(row[at] / row[0] for row in rounds) for at in range(1, len(rounds[0]))]
        former = f", before {former[0]:.1f} µs ({times[1]:.2f} times)" if former else ""
        return (f"`GET /health/live` at 64 connections costs the server {mine:.1f} µs of CPU, a bare axum route {theirs:.1f} µs "
                f"({times[0]:.2f} times; goal: 1.5){former}.")


def wait_for(address):
    while True:
        try:
            return socket.create_connection(address).close()
        except OSError:
            time.sleep(0.01)


def medians(rounds):
    """Medians of rounds, each a result of wrk and the rate of the yardstick."""
    middle = lambda values: statistics.median(list(values))
    return {key: middle(mine[key] for mine, _ in rounds) for key in ("rate", "p50", "p99")} | {
        "ratio": middle(mine["rate"] / theirs for mine, theirs in rounds),
        "cpu": {kind: middle(mine["cpu"][kind] for mine, _ in rounds) for kind in rounds[0][0]["cpu"]},
    }


def spent(row):
    """CPU of a request in µs: of the server, Postgres and Redis."""
    return " · ".join(f"{row['cpu'][kind]:.0f}" for kind in ("server", "postgres", "redis"))


def argon2_rate(_connections):
    """Hashes a second on all cores by the reference implementation with the same parameters."""
    sh("argon2", "somesaltsomesalt", "-id", "-t", "2", "-k", "19456", "-p", "1", input="korea-snack-9")
    best = min(float(re.search(r"([\d.]+) seconds", sh("argon2", "somesaltsomesalt", "-id", "-t", "2", "-k", "19456", "-p", "1",
                                                       input="korea-snack-9"))[1]) for _ in range(5))
    return os.cpu_count() / best


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="a minute or two: one short round of each row, and no growth")
    parser.add_argument("--only", default="", help="rows whose names contain this; 'growth' for the large database")
    parser.add_argument("--before", help="the program of an earlier commit, which is measured in turns with this one")
    parser.add_argument("--phone", type=Path, help="the table of bench/phone.mjs")
    parser.add_argument("--bare", required=True, help="the program of bench/bare")
    parser.add_argument("program")
    arguments = parser.parse_args()
    arguments.rounds, arguments.seconds, arguments.samples = (1, 2, 0) if arguments.quick else (3, 3, 200)
    scratch = Path(tempfile.mkdtemp())
    try:
        results, costs = ([], []) if arguments.only == "growth" else throughput(arguments, scratch)
        grown = []
        if not arguments.quick and arguments.only in ("", "growth"):
            # One after the other, because the tasks of each server would disturb the other.
            for label, program in (("now", arguments.program), ("before", arguments.before)):
                if program:
                    grown.append(growth.measure(program, arguments.samples, scratch, label))
    finally:
        shutil.rmtree(scratch)
    report(arguments, results, costs, grown)


def throughput(arguments, scratch):
    """The rows of the first table, and notes about the server's resources."""
    former = Bench(arguments, arguments.before, scratch, 18766, "former") if arguments.before else None
    bench = Bench(arguments, arguments.program, scratch, 18765, "bench", former)
    benches = [bench] + ([former] if former else [])
    idle = bench.idle()
    for each in benches:
        each.wrk("live", 16, 1)
    rows = [
        ("GET /snacks", "list", LIST, {"beside": bench.react_beside}, (None, 2.0, 3.5)),
        ("GET /snacks/{uid}", "detail", DETAIL, {}, (None, 0.7, 1.1)),
        ("POST reaction, 1,000 snacks", "reaction", UPSERT, {}, (None, 0.8, 1.4)),
        ("POST reaction, 10 snacks", "hot", UPSERT, {"among": 10}, (None, None, 1.3)),
        ("GET /orders", "orders", ORDERS, {}, (None, 0.6, 0.6)),
        ("POST /orders of 3", "order", ORDER, {}, (None, 0.7, 0.7)),
        ("POST /auth/token", "token", argon2_rate, {}, (None, 0.9, 0.9)),
    ]
    results = []
    for name, work, yardstick, more, goals in rows:
        if arguments.only not in name:
            continue
        for each in benches:
            if work == "order":
                each.stock()
            if work in ("reaction", "hot"):
                each.clear_reactions()
        for connections, goal in zip(CONNECTIONS, goals):
            if arguments.quick and connections == 1:
                continue
            results.append(bench.row(name, work, yardstick, connections, **more) | {"goal": goal})
    for name, work in (("POST reaction, 1,000 snacks, 200 streams", "reaction"), ("POST reaction, 10 snacks, 200 streams", "hot")):
        if arguments.only in name:
            bench.clear_reactions()
            results.append(bench.beside_streams(name, work) | {"goal": 0.95})
    results += new_offices(arguments, scratch)
    costs = [bench.beside_sign_ins()] if arguments.only in "POST /auth/token" else []
    if arguments.only in "GET /health/live":
        costs.insert(0, bench.overhead(arguments.bare))
    for each in benches:
        each.server.stop()
    size = Path(arguments.program).stat().st_size / 2**20
    return results, costs + [
        f"Start to ready: {bench.ready * 1000:.0f} ms on a migrated database (goal 300). The binary has {size:.0f} MiB.",
        idle,
    ]


def new_offices(arguments, scratch):
    """Rows of what is common in a new office: a database that was not analyzed, with one that was as yardstick; and snacks without
    reactions, with those that have some as yardstick."""
    lists, details = "GET /snacks without statistics", "GET /snacks/{uid} without reactions"
    if not any(arguments.only in name for name in (lists, details)):
        return []
    unanalyzed = Bench(arguments, arguments.program, scratch, 18768, "unanalyzed", analyze=False)
    analyzed = Bench(arguments, arguments.program, scratch, 18769, "analyzed")
    psql("INSERT INTO snacks (name, name_key, price) SELECT 'new ' || n, 'new ' || n, 500 FROM generate_series(1, 1000) AS n", database="analyzed")
    (analyzed.scratch / "new").write_text(psql("SELECT uid FROM snacks WHERE name_key LIKE 'new %' ORDER BY id", database="analyzed") + "\n")
    psql("VACUUM ANALYZE", database="analyzed")
    while any(psql("SELECT EXISTS (SELECT FROM reaction_dirty)", database=bench.database) == "t" for bench in (unanalyzed, analyzed)):
        time.sleep(0.1)
    pairs = [
        (lists, lambda *size: (unanalyzed.wrk("list", *size), analyzed.wrk("list", *size))),
        (details, lambda *size: (analyzed.wrk("detail", *size, "new"), analyzed.wrk("detail", *size))),
    ]
    results = []
    for name, pair in pairs:
        for connections in CONNECTIONS[1:] if arguments.only in name else ():
            rounds = [pair(connections, arguments.seconds) for _ in range(arguments.rounds)]
            rounds = [(mine, theirs["rate"], None) for mine, theirs in rounds]
            # "No difference", as far as rounds tell.
            results.append(analyzed.summary(name, connections, rounds) | {"goal": 0.95})
    for bench in (unanalyzed, analyzed):
        bench.server.stop()
    return results


def report(arguments, results, costs, grown):
    lines = []
    if results:
        lines += [
            "| work | connections | requests/s | p50 ms | p99 ms | ratio before | ratio | goal | CPU µs before | CPU µs: server · Postgres · Redis | RSS MiB |",
            "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- | --- | ---: |",
        ]
    for row in results:
        former = row["former"]
        ratio, cost = (f"{former['ratio']:.2f}", spent(former)) if former else ("", "")
        goal = "" if row["goal"] is None else f"{row['goal']} " + ("✓" if row["ratio"] >= row["goal"] else "✗")
        failed = f" ({row['failed']} failed)" if row["failed"] else ""
        lines.append(f"| {row['name']} | {row['connections']} | {row['rate']:,.0f}{failed} | {row['p50']:.2f} | {row['p99']:.2f} | "
                     f"{ratio} | **{row['ratio']:.2f}** | {goal} | {cost} | {spent(row)} | {row['rss']:.0f} |")
    chart = [row for row in results if row["connections"] == 64 and not re.search("streams|without", row["name"])]
    if chart:
        lines += ["", "```mermaid", "xychart-beta", '    title "times the yardstick, 64 connections"',
                  "    x-axis [" + ", ".join(f'"{row["name"]}"' for row in chart) + "]", '    y-axis "ratio" 0 --> '
                  + str(int(max(row["ratio"] for row in chart)) + 1), "    bar [" + ", ".join(f"{row['ratio']:.2f}" for row in chart) + "]", "```", ""]
    lines += [f"- {cost}" for cost in costs]
    if arguments.phone:
        lines += ["", "## On a slow phone", "",
                  "A quarter of this machine's CPU, 1.6 Mbit/s, 150 ms latency, an empty cache (`bench/phone.mjs`). Medians of five rounds. Goals: 70 kB of "
                  "script for the sign-in page; 150 kB of pictures, content after 2.0 s and 300 ms of blocked main thread for the snacks page.", "",
                  arguments.phone.read_text().strip()]
    if grown:
        lines += ["", "## Growth", "",
                  "Medians at one connection: with 1,000 snacks and orders, and with 1,000,000 snacks, 1,000,000 orders of three, 100,000 users and "
                  "5,000,000 reactions, both in turns.", "",
                  "| endpoint | small ms | large ms | growth before | growth | goal |", "| --- | ---: | ---: | ---: | ---: | --- |"]
        rows, former = grown[0][0], grown[1][0] if len(grown) > 1 else []
        former = {row["name"]: f"{row['large'] / row['small']:.2f}" for row in former}
        for row in rows:
            ratio = row["large"] / row["small"]
            goal = f"at most {row['growth']} " + ("✓" if ratio <= row["growth"] else "✗") if row["growth"] else \
                f"below {row['most']} ms " + ("✓" if row["large"] < row["most"] else "✗")
            lines.append(f"| {row['name']} | {row['small']:.2f} | {row['large']:.2f} | {former.get(row['name'], '')} | {ratio:.2f} | {goal} |")
        lines += [""] + [f"- {note}" for note in grown[0][1]] + [f"- Before: {note}" for _, notes in grown[1:] for note in notes]
    print("\n".join(lines))
    if arguments.quick or arguments.only:
        return
    by_hand = (HERE / "notes.md").read_text()
    (HERE / "RESULTS.md").write_text("# Benchmarks\n\nWritten by `make bench`. The yardstick is pgbench with the same SQL, prepared, over as many connections, "
                                "in the same minute on the same machine; for sign-ins it is argon2 on all cores, and for 200 streams of events the server without them; "
                                "for a database without statistics it is one with them, and for snacks without reactions it is those with reactions. Rates are medians of three "
                                f"rounds of {arguments.seconds} seconds, with server, the commit before and yardstick in turns. CPU is that of one request. What was tried is in "
                                "[tried.md](tried.md).\n\n"
                                + "\n".join(lines) + "\n\n" + by_hand)


main()
