"""Every setting of a profile reaches the task it is meant for."""

from pathlib import Path

import pytest
import yaml
from kfp.compiler import Compiler

from pipelines.checks import Package
from pipelines.compile import PIPELINES
from pipelines.graph import assemble
from pipelines.profile import Profile

DEFAULTS = {
    "cpu": {"request": "500m", "limit": "2"},
    "memory": {"request": "1Gi", "limit": "2Gi"},
    "timeout": "1h",
    "security": None,
}
EVERYTHING = {
    "cpu": {"request": "3", "limit": "4"},
    "memory": {"request": "5Gi", "limit": "6Gi"},
    "accelerator": {"type": "nvidia.com/gpu", "count": 2},
    "retries": {"max": 7, "backoff": "8s", "factor": 1.5, "cap": "9min"},
    "timeout": "10h",
    "claims": [{"claim": "volume", "path": "/data", "sub_path": "inner"}],
    "scratch": {"type": "ephemeral", "size": "11Gi", "storage_class": "fast"},
    "shared_memory": "12Mi",
    "environment": {"COLOUR": "red"},
    "secrets": [{"name": "keys", "env": {"id": "SH_CLIENT_ID"}, "optional": True}],
    "config_maps": [{"name": "places", "env": {"mlflow": "MLFLOW_TRACKING_URI"}}],
    "node_selector": {"pool": "gpu"},
    "tolerations": [{"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}],
    "labels": {"team": "ground"},
    "annotations": {"sidecar": "no"},
    "pull_policy": "Always",
    "pull_secrets": ["registry"],
    "security": {"user": 13, "group": 14},
}


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """Training on a cluster that wants everything for its train task, little for the others."""
    profile = Profile.model_validate(
        {
            "images": {"light": "light:1", "network": "network@sha256:2"},
            "store": "/data/store",
            "parallelism": 6,
            "notify": {"webhook_env": "HOOK", "file": "/data/outcomes"},
            "defaults": DEFAULTS,
            "tasks": {"train": EVERYTHING, "infer": {"scratch": {"path": "/work", "size": "3Gi"}}},
        }
    )
    path = tmp_path_factory.mktemp("cluster") / "package.yaml"
    Compiler().compile(assemble("training", profile, PIPELINES["training"], {}), str(path))
    return Package(*yaml.safe_load_all(Path(path).read_text()))


def task(package, name):
    return next(task.spec for task in package.tasks() if task.name == name)


def test_resources_and_environment_reach_the_container(package):
    container = package.containers["exec-train"]
    assert container["image"] == "network@sha256:2"
    resources = container["resources"]
    assert {name: resources[name] for name in resources if name.startswith("resource")} == {
        "resourceCpuRequest": "3",
        "resourceCpuLimit": "4",
        "resourceMemoryRequest": "5Gi",
        "resourceMemoryLimit": "6Gi",
    }
    accelerator = resources["accelerator"]
    assert accelerator["resourceType"] == "nvidia.com/gpu"
    assert accelerator["resourceCount"] == "2"
    assert container["env"] == [
        {"name": "COLOUR", "value": "red"},
        {"name": "GROUNDSHIFT_WORK", "value": "/scratch"},
    ]


def test_retries_reach_the_task(package):
    assert task(package, "train")["retryPolicy"] == {
        "maxRetryCount": 7,
        "backoffDuration": "8s",
        "backoffFactor": 1.5,
        "backoffMaxDuration": "540s",
    }


def test_everything_else_reaches_kubernetes(package):
    given = dict(package.on_kubernetes["exec-train"])
    (secret,), (config,) = given.pop("secretAsEnv"), given.pop("configMapAsEnv")
    assert (secret["secretName"], secret["optional"]) == ("keys", True)
    assert secret["keyToEnv"] == [{"secretKey": "id", "envVar": "SH_CLIENT_ID"}]
    assert config["configMapName"] == "places"
    assert config["keyToEnv"] == [{"configMapKey": "mlflow", "envVar": "MLFLOW_TRACKING_URI"}]
    (claim,) = given.pop("pvcMount")
    assert (claim["constant"], claim["mountPath"], claim["subPath"]) == ("volume", "/data", "inner")
    (pull,) = given.pop("imagePullSecret")
    assert pull["secretName"] == "registry"
    assert given == {
        "activeDeadlineSeconds": "36000",
        "fieldPathAsEnv": [
            {"name": "GROUNDSHIFT_RUN_ID", "fieldPath": "metadata.labels['pipeline/runid']"}
        ],
        "genericEphemeralVolume": [
            {
                "volumeName": "scratch",
                "mountPath": "/scratch",
                "accessModes": ["ReadWriteOnce"],
                "size": "11Gi",
                "storageClassName": "fast",
            }
        ],
        "emptyDirMounts": [
            {
                "volumeName": "shared-memory",
                "mountPath": "/dev/shm",
                "medium": "Memory",
                "sizeLimit": "12Mi",
            }
        ],
        "nodeSelector": {"labels": {"pool": "gpu"}},
        "tolerations": [{"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}],
        "podMetadata": {"labels": {"team": "ground"}, "annotations": {"sidecar": "no"}},
        "imagePullPolicy": "Always",
        "securityContext": {"runAsUser": "13", "runAsGroup": "14", "runAsNonRoot": True},
    }


def test_scratch_lies_on_the_nodes_disk_unless_it_is_a_volume_of_its_own(package):
    given = package.on_kubernetes["exec-infer"]
    assert given["emptyDirMounts"] == [
        {"volumeName": "scratch", "mountPath": "/work", "sizeLimit": "3Gi"}
    ]
    assert "genericEphemeralVolume" not in given
    assert package.containers["exec-infer"]["env"] == [
        {"name": "GROUNDSHIFT_WORK", "value": "/work"}
    ]


def test_other_tasks_get_the_defaults(package):
    assert package.containers["exec-fetch"]["image"] == "light:1"
    assert "accelerator" not in package.containers["exec-fetch"]["resources"]
    assert set(package.on_kubernetes["exec-fetch"]) == {
        "activeDeadlineSeconds",
        "fieldPathAsEnv",
        "imagePullPolicy",
    }


def test_loops_keep_to_the_profiles_parallelism(package):
    loops = [task.spec for task in package.tasks() if "parameterIterator" in task.spec]
    assert len(loops) == 3
    assert all(loop["iteratorPolicy"] == {"parallelismLimit": 6} for loop in loops)


def test_notify_is_told_where_to_say_it(package):
    words = package.containers["exec-notify"]["args"]
    assert words[-4:] == ["--webhook-env", "HOOK", "--file", "/data/outcomes"]
