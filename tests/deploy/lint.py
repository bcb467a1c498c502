"""tests/deploy/lint.py [--self-test]

Checks the files of deploy/: the manifests against the schemas of the Kubernetes API and against each other, and the alerts and the
dashboard against PromQL, the metrics of docs/OPERATIONS.md and the routes of the OpenAPI document. A test of the server compares
those metrics with /metrics. Prints the problems, and the exit code is then 1.

--self-test breaks each rule once and expects a problem.
"""
import json
import re
import sys
from pathlib import Path

import kubernetes_validate
import promql_parser
import yaml

ROOT = Path(__file__).parents[2]
OPERATIONS = (ROOT / "docs/OPERATIONS.md").read_text()
# Labels that Prometheus adds, and the bounds of histograms.
COMMON_LABELS = {"job", "instance", "le"}
# Written by Prometheus itself.
OWN_METRICS = {"up": set()}


# --- Kubernetes -------------------------------------------------------------------------------------------------------


def read_manifests():
    """The kustomization, and the other documents by the name of their file."""
    files = {path.name: yaml.safe_load(path.read_text()) for path in sorted((ROOT / "deploy/kubernetes").glob("*.yaml"))}
    return files.pop("kustomization.yaml"), files


def check_manifests(kustomization, files):
    if sorted(kustomization["resources"]) != sorted(files):
        yield "kustomization.yaml does not name the files of its folder"
    for name, manifest in files.items():
        try:
            kubernetes_validate.validate(manifest, kubernetes_validate.latest_version(), strict=True)
        except kubernetes_validate.ValidationError as error:
            yield f"{name}: {'.'.join(map(str, error.path))}: {error.message}"
        except kubernetes_validate.SchemaNotFoundError:
            yield f"{name}: the API has no {manifest['apiVersion']} {manifest['kind']}"
    yield from check_references(kustomization, {manifest["kind"]: manifest for manifest in files.values()})


def check_references(kustomization, kinds):
    """The names by which the manifests refer to each other. The API accepts any."""
    deployment = kinds["Deployment"]
    pod = deployment["spec"]["template"]
    containers = pod["spec"]["initContainers"] + pod["spec"]["containers"]
    ports = {port["name"] for container in containers for port in container.get("ports", [])}
    existing = {(kind, manifest["metadata"]["name"]) for kind, manifest in kinds.items()}

    def selects(owner, selector):
        if not selector or not selector.items() <= pod["metadata"]["labels"].items():
            yield f"{owner} does not select the pods"

    yield from selects("Deployment", deployment["spec"]["selector"]["matchLabels"])
    yield from selects("Service", kinds["Service"]["spec"]["selector"])
    yield from selects("PodDisruptionBudget", kinds["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"])
    yield from selects("NetworkPolicy", kinds["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"])
    for spread in pod["spec"]["topologySpreadConstraints"]:
        yield from selects("topologySpreadConstraints", spread["labelSelector"]["matchLabels"])

    images = {image["name"] for image in kustomization["images"]}
    for container in containers:
        name = container["name"]
        if container["image"] not in images:
            yield f"{name}: kustomization.yaml does not replace the image {container['image']}"
        for source in container["envFrom"]:
            for key, kind in (("configMapRef", "ConfigMap"), ("secretRef", "Secret")):
                if key in source and (kind, source[key]["name"]) not in existing:
                    yield f"{name}: there is no {kind} {source[key]['name']}"
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            if probe in container and container[probe]["httpGet"]["port"] not in ports:
                yield f"{name}: the port of {probe} does not exist"
        if "memory" not in container["resources"]["limits"]:
            yield f"{name} has no limit of memory"
        security = container["securityContext"]
        if not security["readOnlyRootFilesystem"] or security["allowPrivilegeEscalation"] or security["capabilities"] != {"drop": ["ALL"]}:
            yield f"{name} has more rights than it needs"

    used = [port["targetPort"] for port in kinds["Service"]["spec"]["ports"]]
    used += [port["port"] for rule in kinds["NetworkPolicy"]["spec"]["ingress"] for port in rule["ports"]]
    yield from (f"no container has the port {port}" for port in used if port not in ports)

    service = kinds["Service"]
    service_ports = {port["name"] for port in service["spec"]["ports"]}
    for rule in kinds["Ingress"]["spec"]["rules"]:
        for path in rule["http"]["paths"]:
            backend = path["backend"]["service"]
            if backend["name"] != service["metadata"]["name"] or backend["port"]["name"] not in service_ports:
                yield "the Ingress leads to no port of the Service"

    autoscaler = kinds["HorizontalPodAutoscaler"]["spec"]
    if autoscaler["scaleTargetRef"]["name"] != deployment["metadata"]["name"]:
        yield "the HorizontalPodAutoscaler has no target"
    if autoscaler["minReplicas"] != deployment["spec"]["replicas"]:
        yield "the HorizontalPodAutoscaler and the Deployment begin with different numbers of servers"


# --- PromQL -----------------------------------------------------------------------------------------------------------


def read_metrics():
    """The labels of every series: from the table of docs/OPERATIONS.md, with the suffixes of histograms."""
    section = OPERATIONS.split("\n## Metrics\n")[1].split("\n## ")[0]
    series = dict(OWN_METRICS)
    for name, kind, labels in re.findall(r"^\| `(\w+)` \| (\w+) \|([^|]*)\|", section, re.MULTILINE):
        suffixes = ("_bucket", "_sum", "_count") if kind == "histogram" else ("",)
        for suffix in suffixes:
            series[name + suffix] = set(re.findall(r"`(\w+)`", labels))
    return series


def read_routes():
    return set(json.loads((ROOT / "tests/api/openapi.json").read_text())["paths"])


def selectors(expression):
    """All selectors of a parsed expression."""
    if isinstance(expression, promql_parser.VectorSelector):
        yield expression
    for attribute in ("expr", "lhs", "rhs", "vector_selector", "param", "args"):
        child = getattr(expression, attribute, None)
        for part in child if isinstance(child, list) else [child]:
            if part is not None:
                yield from selectors(part)


def check_expression(text, metrics, routes):
    try:
        parsed = promql_parser.parse(text)
    except ValueError as error:
        yield f"{text}: {error}"
        return
    found = list(selectors(parsed))
    if not found:
        yield f"{text}: names no metric"
    for selector in found:
        if selector.name not in metrics:
            yield f"{text}: there is no metric {selector.name}"
            continue
        for matcher in selector.matchers.matchers:
            if matcher.name not in metrics[selector.name] | COMMON_LABELS:
                yield f"{text}: {selector.name} has no label {matcher.name}"
            is_pattern = str(matcher.op).endswith(("Re", "NotRe"))
            for route in matcher.value.split("|") if matcher.name == "route" else []:
                if not any(re.fullmatch(route, known) if is_pattern else route == known for known in routes):
                    yield f"{text}: there is no route {route}"


# --- Prometheus and Grafana -------------------------------------------------------------------------------------------


def anchors():
    headings = re.findall(r"^#+ (.+)$", OPERATIONS, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


def read_alerts():
    return yaml.safe_load((ROOT / "deploy/prometheus/alerts.yml").read_text())


def check_alerts(alerts, metrics, routes):
    names = set()
    for rule in (rule for group in alerts["groups"] for rule in group["rules"]):
        name = rule["alert"]
        if rule.keys() != {"alert", "expr", "for", "labels", "annotations"}:
            yield f"{name} has other fields than an alert needs"
            continue
        if name in names:
            yield f"{name} exists twice"
        names.add(name)
        if not re.fullmatch(r"\d+[smh]", rule["for"]):
            yield f"{name}: {rule['for']} is no duration"
        if rule["labels"].get("severity") not in ("critical", "warning"):
            yield f"{name} has no severity"
        annotations = rule["annotations"]
        if annotations.keys() != {"summary", "description", "runbook"}:
            yield f"{name} has other annotations than an alert needs"
            continue
        if not all(annotations[key].endswith(".") for key in ("summary", "description")):
            yield f"{name} is not described in sentences"
        file, _, anchor = annotations["runbook"].partition("#")
        if file != "docs/OPERATIONS.md" or anchor not in anchors():
            yield f"{name}: {annotations['runbook']} does not exist"
        yield from (f"{name}: {problem}" for problem in check_expression(rule["expr"], metrics, routes))


def read_dashboard():
    return json.loads((ROOT / "deploy/grafana/snack-server.json").read_text())


DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}


def check_dashboard(dashboard, metrics, routes):
    variables = {variable["name"] for variable in dashboard["templating"]["list"]}
    if variables != {"datasource", "instance"}:
        yield "the dashboard has other variables than it needs"
    cells, ids = {}, set()
    for panel in dashboard["panels"]:
        title = panel.get("title")
        if not title:
            yield f"panel {panel['id']} has no title"
        if panel["id"] in ids:
            yield f"{title} has the id of another panel"
        ids.add(panel["id"])
        position = panel["gridPos"]
        if position["x"] + position["w"] > 24:
            yield f"{title} is beyond the right edge"
        for x in range(position["x"], position["x"] + position["w"]):
            for y in range(position["y"], position["y"] + position["h"]):
                other = cells.setdefault((x, y), panel["id"])
                if other != panel["id"]:
                    yield f"{title} overlaps panel {other}"
        if panel["type"] == "row":
            continue
        if not panel.get("description"):
            yield f"{title} has no description"
        if not panel["targets"]:
            yield f"{title} shows nothing"
        references = [target["refId"] for target in panel["targets"]]
        if len(references) != len(set(references)):
            yield f"{title} uses a refId twice"
        for part in (panel, *panel["targets"]):
            if part.get("datasource") != DATASOURCE:
                yield f"{title} has a data source of its own"
        for target in panel["targets"]:
            used = set(re.findall(r"\$(\w+)", target["expr"])) - {"__rate_interval"}
            if not used <= variables:
                yield f"{title}: there is no variable {used - variables}"
            text = target["expr"].replace("$__rate_interval", "5m").replace("$instance", ".*")
            yield from (f"{title}: {problem}" for problem in check_expression(text, metrics, routes))


# --- The program ------------------------------------------------------------------------------------------------------


def check_all():
    metrics, routes = read_metrics(), read_routes()
    yield from check_manifests(*read_manifests())
    yield from check_alerts(read_alerts(), metrics, routes)
    yield from check_dashboard(read_dashboard(), metrics, routes)
    shown = json.dumps([read_dashboard(), read_alerts()])
    names = {re.sub("_(bucket|sum|count)$", "", name) for name in metrics.keys() - OWN_METRICS.keys()}
    yield from (f"neither the dashboard nor an alert has {name}" for name in sorted(names) if name not in shown)


def self_test():
    metrics, routes = read_metrics(), read_routes()

    def manifests(change):
        kustomization, files = read_manifests()
        change(kustomization, files)
        return check_manifests(kustomization, files)

    def container(files):
        return files["deployment.yaml"]["spec"]["template"]["spec"]["containers"][0]

    def alert(**changes):
        alerts = read_alerts()
        alerts["groups"][0]["rules"][0] |= changes
        return check_alerts(alerts, metrics, routes)

    def panel(number, **changes):
        dashboard = read_dashboard()
        dashboard["panels"][number] |= changes
        return check_dashboard(dashboard, metrics, routes)

    def target(expression):
        return panel(1, targets=[{"refId": "A", "datasource": DATASOURCE, "expr": expression}])

    annotations = read_alerts()["groups"][0]["rules"][0]["annotations"]
    breaks = {
        "an unknown field": manifests(lambda _, files: container(files).update(imagePullPolice="Always")),
        "a text in place of a number": manifests(lambda _, files: files["deployment.yaml"]["spec"].update(replicas="3")),
        "a missing field": manifests(lambda _, files: files["ingress.yaml"]["spec"]["rules"][0]["http"]["paths"][0].pop("pathType")),
        "an unknown version": manifests(lambda _, files: files["autoscaler.yaml"].update(apiVersion="autoscaling/v3")),
        "a file that is not applied": manifests(lambda kustomization, _: kustomization["resources"].remove("service.yaml")),
        "an image of another name": manifests(lambda _, files: container(files).update(image="snack")),
        "other labels": manifests(lambda _, files: files["service.yaml"]["spec"].update(selector={"app": "snack"})),
        "a probe of no port": manifests(lambda _, files: container(files)["livenessProbe"]["httpGet"].update(port="web")),
        "a service of no port": manifests(lambda _, files: files["service.yaml"]["spec"]["ports"][0].update(targetPort="web")),
        "settings from nowhere": manifests(lambda _, files: container(files)["envFrom"][0]["configMapRef"].update(name="snack")),
        "a writable file system": manifests(lambda _, files: container(files)["securityContext"].update(readOnlyRootFilesystem=False)),
        "no limit of memory": manifests(lambda _, files: container(files)["resources"]["limits"].pop("memory")),
        "no target": manifests(lambda _, files: files["autoscaler.yaml"]["spec"]["scaleTargetRef"].update(name="snack")),
        "other replicas": manifests(lambda _, files: files["autoscaler.yaml"]["spec"].update(minReplicas=2)),
        "an unknown metric": alert(expr="postgres_down == 1"),
        "a histogram without a suffix": alert(expr="rate(reaction_flush_seconds[5m]) > 1"),
        "an unknown label": alert(expr='http_requests_total{code="500"} > 0'),
        "an unknown route": alert(expr='http_requests_total{route="/auth/tokens"} > 0'),
        "no PromQL": alert(expr="sum(rate(live_streams[5m])"),
        "a rate of a gauge without a range": alert(expr="rate(live_streams) > 0"),
        "no metric": alert(expr="1 > 0"),
        "no duration": alert(**{"for": "soon"}),
        "no severity": alert(labels={}),
        "no summary": alert(annotations={"runbook": annotations["runbook"]}),
        "no sentence": alert(annotations=annotations | {"summary": "down"}),
        "no runbook": alert(annotations=annotations | {"runbook": "docs/OPERATIONS.md#no-such-section"}),
        "two alerts of a name": alert(alert=read_alerts()["groups"][0]["rules"][1]["alert"]),
        "an unknown field of an alert": alert(labls={}),
        "no title": panel(1, title=""),
        "no description": panel(1, description=""),
        "two panels in one place": panel(1, gridPos={"x": 12, "y": 1, "w": 12, "h": 8}),
        "a panel beyond the edge": panel(1, gridPos={"x": 13, "y": 101, "w": 12, "h": 8}),
        "two panels with one id": panel(1, id=1),
        "a data source": panel(1, datasource={"type": "prometheus", "uid": "P1"}),
        "no targets": panel(1, targets=[]),
        "an unknown variable": target('live_streams{instance=~"$server"}'),
        "an unknown metric of a panel": target("live_stream"),
        "an unknown pattern of routes": target('http_requests_total{route=~"/snack/.*"}'),
    }
    return [f"{name} is accepted" for name, problems in breaks.items() if not list(problems)]


problems = self_test() if sys.argv[1:] == ["--self-test"] else list(check_all())
print("".join(f"deploy: {problem}\n" for problem in problems), end="")
sys.exit(1 if problems else 0)
