"""The manifests are valid, hardened, and consistent with the image, the settings and Prometheus' configuration."""

import ast
import re
import shlex
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import kubernetes_validate
import pytest
import yaml
from click.testing import CliRunner
from flask import Flask
from jsonschema import ValidationError

from loan_api.adapters.metrics.instruments import METRICS
from loan_api.entrypoints.commands import cli
from loan_api.entrypoints.http.health import health_blueprint
from loan_api.entrypoints.http.metrics import metrics_blueprint
from loan_api.settings import PROJECT_ROOT, declared_settings, read_settings
from prometheus import kubernetes
from tests.support import prometheus_operator
from tests.support.fakes import FakeLog, FakeModelSource
from tests.support.services import health_of

Object = dict[str, Any]

FOLDER = PROJECT_ROOT / "deploy" / "kubernetes"
ROOTS = ("base", "durable", "migration", "training")
# The oldest version with every feature in use (podFailurePolicy), and the newest one with a schema.
VERSIONS = ("1.31", kubernetes_validate.latest_version())
# Labels that the Prometheus Operator adds to a discovered target.
OPERATOR_LABELS = {"namespace", "service", "pod", "container", "endpoint"}
MARGIN_SECONDS = 5


@cache
def rendered(root: str) -> tuple[Object, ...]:
    kubectl = Path(sys.executable).with_name("kubectl")
    done = subprocess.run([kubectl, "kustomize", FOLDER / root], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return tuple(yaml.safe_load_all(done.stdout))


def the(root: str, kind: str) -> Object:
    (found,) = [each for each in rendered(root) if each["kind"] == kind]
    return found


def pod(root: str) -> Object:
    """Return the pod template."""
    (found,) = [template for given in rendered(root) if (template := template_of(given)) is not None]
    return found


def template_of(given: Object) -> Object | None:
    spec = given.get("spec", {})
    template: Object | None = spec.get("jobTemplate", given).get("spec", {}).get("template")
    return template


def config_of(root: str) -> dict[str, str]:
    data: dict[str, str] = the(root, "ConfigMap")["data"]
    return data


def api_pod() -> Object:
    spec: Object = pod("base")["spec"]
    return spec


def api_container() -> Object:
    (container,) = api_pod()["containers"]
    found: Object = container
    return found


def literal(file: str, name: str) -> Any:
    """Return the literal that a module assigns to `name`, without importing it."""
    for node in ast.parse((PROJECT_ROOT / file).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            return ast.literal_eval(node.value)
    raise AssertionError(name)


def dockerfile() -> str:
    return (PROJECT_ROOT / "Dockerfile").read_text(encoding="utf-8")


every_root = pytest.mark.parametrize("root", ROOTS)


@every_root
@pytest.mark.parametrize("version", VERSIONS)
def test_every_object_is_valid(root: str, version: str) -> None:
    """Validate against the schema, without unknown fields."""
    for given in rendered(root):
        if given["apiVersion"].startswith("monitoring.coreos.com/"):
            prometheus_operator.check(given)
        else:
            kubernetes_validate.validate(given, version, strict=True)


def test_a_field_that_nobody_knows_is_not_valid() -> None:
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(the("base", "Service") | {"specs": {}}, VERSIONS[0], strict=True)
    with pytest.raises(ValidationError):
        prometheus_operator.check(the("base", "ServiceMonitor") | {"specs": {}})


@every_root
def test_objects_go_into_whatever_namespace_they_are_applied_to(root: str) -> None:
    assert all("namespace" not in given["metadata"] for given in rendered(root))


@every_root
def test_no_secret_is_among_them(root: str) -> None:
    assert "Secret" not in {given["kind"] for given in rendered(root)}


@every_root
def test_every_pod_may_run_in_a_restricted_namespace(root: str) -> None:
    spec = pod(root)["spec"]
    assert spec["automountServiceAccountToken"] is False
    security = spec["securityContext"]
    assert security["runAsNonRoot"] is True
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}
    assert f"USER {security['runAsUser']}:{security['runAsGroup']}" in dockerfile()
    assert not {"hostNetwork", "hostPID", "hostIPC", "initContainers"} & spec.keys()
    kinds = {kind for volume in spec.get("volumes", []) for kind in volume.keys() - {"name"}}
    assert kinds <= {"emptyDir", "projected", "persistentVolumeClaim"}
    for container in spec["containers"]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["resources"]["requests"].keys() >= {"cpu", "memory"}
        assert "memory" in container["resources"]["limits"]


@every_root
def test_what_is_written_lies_on_volumes(root: str) -> None:
    """Check that written paths are on volumes, as the root file system is read-only."""
    (container,) = pod(root)["spec"]["containers"]
    writable = {mount["mountPath"] for mount in container["volumeMounts"] if not mount.get("readOnly")}
    (home,) = re.findall(r"LOAN_HOME=(\S+)", dockerfile())
    assert writable == {home, "/tmp"}


@every_root
def test_every_image_is_the_version_of_the_code(root: str) -> None:
    project = tomllib.loads((PROJECT_ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for container in pod(root)["spec"]["containers"]:
        name, _, tag = container["image"].partition(":")
        assert name in {"loan-api", "loan-trainer"}
        assert tag == project["version"]


@every_root
def test_settings_are_declared_and_accepted(root: str) -> None:
    (container,) = pod(root)["spec"]["containers"]
    assert container["envFrom"] == [{"configMapRef": {"name": the(root, "ConfigMap")["metadata"]["name"]}}]
    secret = {"DATABASE_URL": "postgresql://loan:secret@postgresql/loan", "METRICS_USERNAME": "prometheus"}
    own = {each["name"]: each.get("value") or secret[each["name"]] for each in container["env"]}
    environ = config_of(root) | own
    assert environ.keys() <= {variable for variable, _, _ in declared_settings()}
    assert not secret.keys() & config_of(root).keys()
    read_settings(environ)


def test_files_of_secrets_are_where_the_settings_say() -> None:
    """Require mounted folders, as a mounted single file does not follow changes to the secret."""
    container = api_container()
    (volume,) = [each["projected"] for each in api_pod()["volumes"] if each["name"] == "secrets"]
    (mount,) = [each for each in container["volumeMounts"] if each["name"] == "secrets"]
    assert "subPath" not in mount
    files = {
        f"{mount['mountPath']}/{item['path']}" for source in volume["sources"] for item in source["secret"]["items"]
    }
    assert {each["value"] for each in container["env"] if each["name"].endswith("_FILE")} == files
    assert volume["defaultMode"] == 0o440
    assert api_pod()["securityContext"]["fsGroup"] == api_pod()["securityContext"]["runAsGroup"]


def test_probes_and_scrapes_ask_what_the_service_answers() -> None:
    app = Flask(__name__)
    app.register_blueprint(health_blueprint(health_of(FakeModelSource(), FakeLog())))
    app.register_blueprint(metrics_blueprint(lambda: (b"", "text/plain"), "prometheus", "secret"))
    container = api_container()
    paths = {probe: container[probe]["httpGet"]["path"] for probe in container if probe.endswith("Probe")}
    assert paths == {
        "startupProbe": "/health/live",
        "livenessProbe": "/health/live",
        "readinessProbe": "/health/ready",
    }
    assert {app.test_client().get(path).status_code for path in paths.values()} == {200}
    (endpoint,) = the("base", "ServiceMonitor")["spec"]["endpoints"]
    user = ("prometheus", "secret")
    assert app.test_client().get(endpoint["path"], auth=user).status_code == 200


def test_ports_agree() -> None:
    (port,) = api_container()["ports"]
    (of_service,) = the("base", "Service")["spec"]["ports"]
    (endpoint,) = the("base", "ServiceMonitor")["spec"]["endpoints"]
    assert port["containerPort"] == read_settings({}).port
    assert of_service["targetPort"] == port["name"]
    assert endpoint["port"] == of_service["name"]
    probes = [api_container()[name]["httpGet"]["port"] for name in ("startupProbe", "livenessProbe", "readinessProbe")]
    assert set(probes) == {port["name"]}
    (clients,) = [each for each in policies() if each["ingress"]]
    assert {each["port"] for rule in clients["ingress"] for each in rule["ports"]} == {port["name"]}


@pytest.mark.parametrize(("root", "kind"), [("base", "Deployment"), ("durable", "StatefulSet")])
def test_selectors_find_the_pods(root: str, kind: str) -> None:
    workload = the(root, kind)
    labels = pod(root)["metadata"]["labels"]
    wanted = [
        workload["spec"]["selector"]["matchLabels"],
        the(root, "Service")["spec"]["selector"],
        the(root, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
        *(each["labelSelector"]["matchLabels"] for each in pod(root)["spec"]["topologySpreadConstraints"]),
    ]
    assert all(each.items() <= labels.items() for each in wanted)
    monitored = the(root, "ServiceMonitor")["spec"]["selector"]["matchLabels"]
    assert monitored.items() <= the(root, "Service")["metadata"]["labels"].items()
    scaled = the(root, "HorizontalPodAutoscaler")["spec"]
    assert scaled["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": kind, "name": workload["metadata"]["name"]}
    assert scaled["minReplicas"] >= 2
    assert "replicas" not in workload["spec"]


def test_a_roll_out_never_has_fewer_pods() -> None:
    assert the("base", "Deployment")["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}


@pytest.mark.parametrize("root", ["base", "durable"])
def test_a_pod_is_not_killed_before_it_has_stopped(root: str, tmp_path: Path) -> None:
    """Check that the grace period covers preStop, requests in flight and recently accepted connections."""
    spec = pod(root)["spec"]
    (container,) = spec["containers"]
    *_, script = container["lifecycle"]["preStop"]["exec"]["command"]
    removed, settled = (command.strip().removeprefix("exec ") for command in script.split("&&"))
    sleep, seconds = shlex.split(removed)
    assert sleep == "sleep"
    *python, verb, option, within = shlex.split(settled)
    assert (python, verb, option) == (["python", "-m", "loan_api", "decisions"], "settle", "--within")
    waited = CliRunner().invoke(cli, ["decisions", verb, option, within], env={"LOAN_HOME": str(tmp_path)})
    assert waited.exit_code == 0
    stopping = literal("gunicorn.conf.py", "graceful_timeout")
    assert spec["terminationGracePeriodSeconds"] >= int(seconds) + int(within) + stopping + MARGIN_SECONDS


def test_the_journal_fits_on_its_volume_many_times() -> None:
    (home,) = [each for each in api_pod()["volumes"] if each["name"] == "home"]
    assert home["emptyDir"] == {"sizeLimit": "1Gi"}
    assert 4 * read_settings({}).decision_journal_bytes < 2**30
    (claim,) = the("durable", "StatefulSet")["spec"]["volumeClaimTemplates"]
    assert claim["metadata"]["name"] == home["name"]
    assert home["name"] not in {each["name"] for each in pod("durable")["spec"]["volumes"]}


def policies() -> list[Object]:
    found = [each["spec"] for each in rendered("base") if each["kind"] == "NetworkPolicy"]
    return [{"ingress": [], "egress": []} | each for each in found]


def selects(selector: Object, labels: dict[str, str]) -> bool:
    expressions = selector.get("matchExpressions", [])
    assert all(each["operator"] == "In" for each in expressions)
    return selector.get("matchLabels", {}).items() <= labels.items() and all(
        labels.get(each["key"]) in each["values"] for each in expressions
    )


@pytest.mark.parametrize(
    ("root", "reached", "entered"),
    [
        ("base", {53, 5000, 5432}, 2),
        ("durable", {53, 5000, 5432}, 2),
        ("migration", {53, 5432}, 0),
        ("training", {53, 5000}, 0),
    ],
)
def test_pods_reach_only_what_they_need(root: str, reached: set[int], entered: int) -> None:
    applying = [each for each in policies() if selects(each["podSelector"], pod(root)["metadata"]["labels"])]
    assert {direction for each in applying for direction in each["policyTypes"]} == {"Ingress", "Egress"}
    rules = [rule for each in applying for rule in each["egress"]]
    assert all(rule["to"] for rule in rules)
    assert {port["port"] for rule in rules for port in rule["ports"]} == reached
    assert sum(len(each["ingress"]) for each in applying) == entered
    assert urlsplit(config_of(root)["MLFLOW_TRACKING_URI"]).port == 5000


def test_it_is_scraped_as_prometheus_yml_says() -> None:
    prometheus = yaml.safe_load((PROJECT_ROOT / "prometheus" / "prometheus.yml").read_text(encoding="utf-8"))
    (job,) = prometheus["scrape_configs"]
    monitor = the("base", "ServiceMonitor")["spec"]
    (endpoint,) = monitor["endpoints"]
    assert (endpoint["path"], endpoint["interval"], endpoint["scrapeTimeout"]) == (
        job["metrics_path"],
        job.get("scrape_interval", prometheus["global"]["scrape_interval"]),
        job.get("scrape_timeout", prometheus["global"]["scrape_timeout"]),
    )
    assert (monitor["sampleLimit"], monitor["labelLimit"], monitor["labelValueLengthLimit"]) == (
        job["sample_limit"],
        job["label_limit"],
        job["label_value_length_limit"],
    )
    named = [each["replacement"] for each in endpoint["relabelings"] if each.get("targetLabel") == "job"]
    assert named == [job["job_name"]]


def test_the_scrape_and_the_service_have_the_same_credentials() -> None:
    (endpoint,) = the("base", "ServiceMonitor")["spec"]["endpoints"]
    (username,) = [
        each["valueFrom"]["secretKeyRef"] for each in api_container()["env"] if each["name"] == "METRICS_USERNAME"
    ]
    assert endpoint["basicAuth"]["username"] == username
    (volume,) = [each["projected"] for each in api_pod()["volumes"] if each["name"] == "secrets"]
    (password,) = [
        {"name": source["secret"]["name"], "key": item["key"]}
        for source in volume["sources"]
        for item in source["secret"]["items"]
        if item["path"] == "metrics_password"
    ]
    assert endpoint["basicAuth"]["password"] == password


def test_no_label_of_the_operator_hides_one_of_a_metric() -> None:
    (endpoint,) = the("base", "ServiceMonitor")["spec"]["endpoints"]
    dropped = {each["regex"] for each in endpoint["relabelings"] if each["action"] == "labeldrop"}
    declared = {label for metric in METRICS for label in metric.labels}
    assert declared & OPERATOR_LABELS == dropped


def test_the_rules_are_those_of_prometheus() -> None:
    files = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted(kubernetes.RULES.glob("*.yml"))]
    groups = [group for file in files for group in file["groups"]]
    assert the("base", "PrometheusRule")["spec"]["groups"] == groups
    assert len({group["name"] for group in groups}) == len(groups)


def test_the_file_of_rules_is_current() -> None:
    assert kubernetes.FILE.read_text(encoding="utf-8") == kubernetes.content(), "run python -m prometheus.kubernetes"
