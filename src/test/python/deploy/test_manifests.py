"""What `kustomize build` makes of deploy/kubernetes: valid for an API server, and as careful as docs/operations.md says it is."""

import functools
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import kubernetes_validate
import pytest
import yaml
from tooling import DEPLOY, ROOT, promtool, tool

KUBERNETES = DEPLOY / "kubernetes"
COMPONENTS = sorted(path.parent.name for path in KUBERNETES.glob("components/*/kustomization.yaml"))
OVERLAYS = ["cpu", "a100"]
# The oldest that is worth a look, and the newest that kubernetes-validate knows
VERSIONS = ["1.32", kubernetes_validate.latest_version()]
# The Custom Resource Definitions' own schemas, of Strimzi 1.2, KEDA 2.21 and Prometheus' operator 0.85, without descriptions
CRDS = Path(__file__).parent / "crds"


@functools.cache
def build(folder: Path) -> list[dict]:
    kustomize = tool("kustomize", "kubectl")
    command = [kustomize, "build"] if kustomize.endswith("kustomize") else [kustomize, "kustomize"]
    result = subprocess.run([*command, str(folder)], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return list(yaml.safe_load_all(result.stdout))


def overlay(name: str) -> list[dict]:
    return build(KUBERNETES / "overlays" / name)


def named(resources: list[dict], kind: str, name: str = "darkroom") -> dict:
    return next(r for r in resources if r["kind"] == kind and r["metadata"]["name"] == name)


def pod(resources: list[dict]) -> dict:
    return named(resources, "Deployment")["spec"]["template"]["spec"]


def images(resources: list[dict]) -> list[str]:
    spec = pod(resources)
    return [container["image"] for container in spec["containers"] + spec.get("initContainers", [])]


def settings(resources: list[dict]) -> dict:
    return next(r for r in resources if r["kind"] == "ConfigMap" and "DARKROOM_STORE_BUCKET" in r["data"])["data"]


def strict(schema: object) -> object:
    """The same schema, in which a field that it does not name is a mistake, as `kubectl apply --validate=strict` has it."""
    if isinstance(schema, list):
        return [strict(element) for element in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: strict(value) for key, value in schema.items()}
    if schema.get("type") == "object" and "properties" in schema and not schema.get("x-kubernetes-preserve-unknown-fields"):
        made.setdefault("additionalProperties", False)
    if isinstance(schema.get("pattern"), str):
        # Go's way to ignore case, which Python takes at the beginning alone
        made["pattern"] = schema["pattern"].replace("^(?i)", "(?i)^")
    return made


def check(resource: dict, version: str) -> None:
    group = resource["apiVersion"].split("/")[0]
    crds = list(CRDS.glob(f"{group}_*_{resource['kind']}.json"))
    if not crds:
        kubernetes_validate.validate(resource, version, strict=True)
        return
    assert crds[0].name == f"{resource['apiVersion'].replace('/', '_')}_{resource['kind']}.json"
    schema = json.loads(crds[0].read_text())
    schema["properties"]["metadata"] = {}
    jsonschema.validate(resource, strict(schema))


@pytest.fixture(scope="module")
def everything(tmp_path_factory) -> list[dict]:
    """An overlay of a user's own, with all components."""
    folder = tmp_path_factory.mktemp("overlay")
    copy = folder / "kubernetes"
    subprocess.run(["cp", "-R", str(KUBERNETES), str(copy)], check=True)
    mine = copy / "overlays/mine"
    mine.mkdir()
    document = {"resources": ["../../base"], "components": [f"../../components/{name}" for name in COMPONENTS]}
    (mine / "kustomization.yaml").write_text(yaml.safe_dump(document))
    return build(mine)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", OVERLAYS)
def test_an_api_server_takes_it(name: str, version: str) -> None:
    for resource in overlay(name):
        check(resource, version)


def test_an_api_server_takes_all_components_together(everything) -> None:
    for resource in everything:
        check(resource, VERSIONS[-1])


def test_what_is_wrong_is_seen() -> None:
    deployment = json.loads(json.dumps(named(overlay("cpu"), "Deployment")))
    deployment["spec"]["template"]["spec"]["containers"][0]["imagee"] = "darkroom"
    with pytest.raises(kubernetes_validate.ValidationError):
        check(deployment, VERSIONS[-1])
    scaled = json.loads(json.dumps(named(overlay("cpu"), "ScaledObject")))
    scaled["spec"]["maxReplicas"] = 3
    with pytest.raises(jsonschema.ValidationError):
        check(scaled, VERSIONS[-1])


def test_the_alerts_become_a_rule_of_prometheus_operator() -> None:
    # By the command of docs/operations.md
    rules = re.sub("^", "  ", (DEPLOY / "prometheus/alerts.yaml").read_text(), flags=re.MULTILINE)
    head = "apiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\nmetadata: {name: darkroom}\nspec:\n"
    check(yaml.safe_load(head + rules), VERSIONS[-1])


@pytest.mark.parametrize("name", OVERLAYS)
def test_containers_have_no_more_rights_than_they_need(name: str) -> None:
    spec = pod(overlay(name))
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert "runAsUser" not in spec["securityContext"], "OpenShift chooses"
    assert spec["automountServiceAccountToken"] is False
    assert spec["enableServiceLinks"] is False
    for container in spec["containers"] + spec.get("initContainers", []):
        context = container["securityContext"]
        assert context["readOnlyRootFilesystem"] is True
        assert context["allowPrivilegeEscalation"] is False
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert container["resources"]["limits"]["memory"]


@pytest.mark.parametrize("name", OVERLAYS)
def test_no_node_takes_the_images_until_they_are_named(name: str) -> None:
    # A reference's digest has 64 hexadecimal digits, so that a kubelet says InvalidImageName instead of looking for it
    for image in images(overlay(name)):
        assert re.fullmatch(r"darkroom(-bundle)?@sha256:not-set\.do-kustomize-edit-set-image\.see-docs-operations\.md", image)


@pytest.mark.parametrize("name", OVERLAYS)
def test_an_overlay_of_ones_own_is_made_as_the_document_says(name: str, tmp_path: Path) -> None:
    document = (ROOT / "docs/operations.md").read_text().split("## Deploying")[1].split("\n## ")[0]
    [mine] = re.findall(r"```yaml\n(.*?)```", document, re.DOTALL)
    assert "kustomize edit set image darkroom=registry.internal/darkroom@sha256:…" in document
    settled = yaml.safe_load(mine.replace("../cpu", f"../{name}"))
    # What `kustomize edit set image` writes
    settled["images"] = [{"name": image, "newName": f"registry.internal/{image}", "digest": f"sha256:{'1' * 64}"}
                         for image in ("darkroom", "darkroom-bundle")]
    copy = tmp_path / "kubernetes"
    subprocess.run(["cp", "-R", str(KUBERNETES), str(copy)], check=True)
    (copy / "overlays/my-overlay").mkdir()
    (copy / "overlays/my-overlay/kustomization.yaml").write_text(yaml.safe_dump(settled))
    resources = build(copy / "overlays/my-overlay")
    assert settings(resources)["DARKROOM_STORE_ENDPOINT"] == "https://s3.internal"
    assert all(re.fullmatch(r"registry\.internal/darkroom(-bundle)?@sha256:1{64}", image) for image in images(resources))


@pytest.mark.parametrize("name", OVERLAYS)
def test_what_is_written_goes_to_volumes(name: str) -> None:
    mounts = {mount["mountPath"]: mount.get("readOnly", False) for mount in pod(overlay(name))["containers"][0]["volumeMounts"]}
    assert mounts["/tmp"] is False
    assert mounts["/var/lib/darkroom"] is False
    assert all(read_only for path, read_only in mounts.items() if path not in ("/tmp", "/var/lib/darkroom"))


def test_a_worker_has_the_gpu_that_it_insists_on() -> None:
    resources = overlay("a100")
    spec = pod(resources)
    assert spec["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == 1
    assert any(toleration["key"] == "nvidia.com/gpu" for toleration in spec["tolerations"])
    required = spec["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    products = required["nodeSelectorTerms"][0]["matchExpressions"][0]["values"]
    assert all(settings(resources)["DARKROOM_DEVICE_REQUIRE"] in product for product in products)


@pytest.mark.parametrize("name", OVERLAYS)
def test_a_worker_has_time_to_leave(name: str) -> None:
    resources = overlay(name)
    drain = int(settings(resources)["DARKROOM_FLOW_DRAIN_TIMEOUT"].removesuffix("s"))
    assert pod(resources)["terminationGracePeriodSeconds"] >= drain + 10


@pytest.mark.parametrize("name", OVERLAYS)
def test_there_are_several_times_as_many_partitions_as_workers(name: str) -> None:
    resources = overlay(name)
    scaled = named(resources, "ScaledObject")["spec"]
    assert scaled["scaleTargetRef"]["name"] == named(resources, "Deployment")["metadata"]["name"]
    assert "replicas" not in named(resources, "Deployment")["spec"], "KEDA's"
    topics = [trigger["metadata"]["topic"] for trigger in scaled["triggers"] if trigger["type"] == "kafka"]
    assert topics == ["darkroom.requests", "darkroom.requests.express"]
    for topic in topics:
        partitions = named(resources, "KafkaTopic", topic)["spec"]["partitions"]
        assert partitions >= 4 * scaled["maxReplicaCount"]
        assert partitions % scaled["maxReplicaCount"] == 0, "one with a partition more has more to do than it can"


def rate_trigger(resources: list[dict]) -> dict:
    triggers = named(resources, "ScaledObject")["spec"]["triggers"]
    [trigger] = [trigger["metadata"] for trigger in triggers if trigger["type"] == "prometheus"]
    return trigger


def test_a_worker_comes_for_less_than_it_gets_done_in_a_minute() -> None:
    # Images a second of `final`: an A100's as docs/scale.json has them, and a CPU's as `./darkroom bench` tells, about
    money = json.loads((ROOT / "docs/scale.json").read_text())["money"]
    [a100] = [r["imagesPerSecond"] for r in money if (r["device"], r["profile"], r["run"]) == ("A100", "final", "backlog")]
    for name, pace in (("a100", a100), ("cpu", 1.0)):
        resources = overlay(name)
        lag = named(resources, "ScaledObject")["spec"]["triggers"][0]["metadata"]["lagThreshold"]
        assert 0.6 * pace < float(rate_trigger(resources)["threshold"]) < 0.8 * pace
        assert 50 * pace < float(lag) < 80 * pace


def test_requests_are_counted_as_they_come(tmp_path: Path) -> None:
    def ends(topic: str, partition: int, values: str, pod: str = "a") -> dict:
        labels = f'topic="{topic}", partition="{partition}", pod="{pod}"'
        return {"series": f"kafka_topic_partition_current_offset{{{labels}}}", "values": values}

    # Six a second on the lanes, of which the exporter's two jobs tell the first; other topics are none of ours
    series = [ends("darkroom.requests", 0, "1000+60x20"), ends("darkroom.requests", 0, "1000+60x20", "b"),
              ends("darkroom.requests", 1, "0+90x20"), ends("darkroom.requests.express", 0, "7+30x20"),
              ends("darkroom.requests-dlq", 0, "0+600x20"), ends("darkroomXrequests", 0, "0+600x20")]
    case = {"interval": "30s", "input_series": series, "promql_expr_test": [
        {"expr": rate_trigger(overlay("a100"))["query"], "eval_time": "10m", "exp_samples": [{"labels": "{}", "value": 6}]}]}
    file = tmp_path / "rate.test.yaml"
    file.write_text(yaml.safe_dump({"rule_files": [], "evaluation_interval": "30s", "tests": [case]}))
    promtool("test", "rules", file)


def test_a_worker_gets_the_processors_that_it_keeps_busy() -> None:
    # At most, with `fast`: measured beside an H200, at the pace of an A100
    figures = json.loads((ROOT / "docs/benchmarks/gpu.json").read_text())
    slower = json.loads((ROOT / "docs/scale.json").read_text())["assumed"]["a100"]
    busy = max(w["measured"]["processorMilliseconds"] * w["imagesPerSecond"] / 1000 for w in figures["worker"]) / slower
    assert float(pod(overlay("a100"))["containers"][0]["resources"]["requests"]["cpu"]) > busy


@pytest.mark.parametrize("name", OVERLAYS)
def test_a_fleet_is_replaced_a_tenth_at_a_time(name: str) -> None:
    resources = overlay(name)
    rolling = named(resources, "Deployment")["spec"]["strategy"]["rollingUpdate"]
    assert rolling == {"maxSurge": 0, "maxUnavailable": "10%"}
    assert named(resources, "PodDisruptionBudget")["spec"]["maxUnavailable"] == "10%"


@pytest.mark.parametrize("name", OVERLAYS)
def test_selectors_mean_the_workers(name: str) -> None:
    resources = overlay(name)
    labels = named(resources, "Deployment")["spec"]["template"]["metadata"]["labels"]
    for selector in [
        named(resources, "Deployment")["spec"]["selector"],
        named(resources, "PodDisruptionBudget")["spec"]["selector"],
        named(resources, "NetworkPolicy")["spec"]["podSelector"],
        named(resources, "PodMonitor")["spec"]["selector"],
        pod(resources)["topologySpreadConstraints"][0]["labelSelector"],
    ]:
        assert selector["matchLabels"].items() <= labels.items()


def references(node: object) -> Iterator[tuple[str, str]]:
    """Kinds and names of what a resource refers to by fields that are called …Ref, or by the name of a volume's source."""
    if isinstance(node, list):
        for element in node:
            yield from references(element)
    elif isinstance(node, dict):
        for key, value in node.items():
            if key in ("configMapRef", "configMapKeyRef", "configMap"):
                yield "ConfigMap", value["name"]
            elif key == "configMapTargetRef":
                yield from (("ConfigMap", target["name"]) for target in value)
            elif key == "authenticationRef":
                yield "TriggerAuthentication", value["name"]
            elif key == "secretKeyRef":
                yield "Secret", value["name"]
            elif key == "secretTargetRef":
                yield from (("Secret", target["name"]) for target in value)
            else:
                yield from references(value)


@pytest.mark.parametrize("name", OVERLAYS)
def test_what_is_referred_to_is_there(name: str) -> None:
    resources = overlay(name)
    there = {(resource["kind"], resource["metadata"]["name"]) for resource in resources}
    # Strimzi makes a secret of each user's name, and the cluster's
    there |= {("Secret", resource["metadata"]["name"]) for resource in resources if resource["kind"] == "KafkaUser"}
    there.add(("Secret", "kafka-cluster-ca-cert"))
    missing = [reference for resource in resources for reference in references(resource.get("spec")) if reference not in there]
    assert not missing


def test_kafkas_topics_are_those_of_the_settings(everything) -> None:
    properties = (Path(__file__).parents[3] / "main/java/dev/darkroom/worker/DarkroomConfig.java").read_text()
    defaults = re.findall(r'@WithDefault\("(darkroom\.[a-z.-]+)"\)', properties)
    topics = [resource["metadata"]["name"] for resource in everything if resource["kind"] == "KafkaTopic"]
    assert sorted(topics) == sorted(defaults)
    acls = named(everything, "KafkaUser", "darkroom-worker")["spec"]["authorization"]["acls"]
    assert sorted(acl["resource"]["name"] for acl in acls if acl["resource"]["type"] == "topic") == sorted(topics)


def test_the_stores_policy_is_of_the_bucket_of_the_settings(everything) -> None:
    statements = json.loads((DEPLOY / "store/policy.json").read_text())["Statement"]
    bucket = f"arn:aws:s3:::{settings(everything)['DARKROOM_STORE_BUCKET']}"
    assert [(s["Action"], s["Resource"]) for s in statements] == [
        (["s3:ListBucket"], [bucket]),
        (["s3:GetObject", "s3:PutObject"], [f"{bucket}/*"]),
    ]
