"""What a profile says, put on a kfp task: the one module that talks to kfp-kubernetes."""

from datetime import timedelta
from typing import Any

from kfp import kubernetes

from groundshift.services.run_tree import RUN_ID
from pipelines.profile import Retries, Scratch, TaskProfile

RUN_LABEL = "metadata.labels['pipeline/runid']"
"""Where Kubeflow writes the run's id on a pod."""

SHARED_MEMORY = "/dev/shm"


def apply(task: Any, profile: TaskProfile) -> None:
    """Give a task its resources, retries, time-out, volumes, secrets and place.

    The run's id comes from the pod's label and not from a placeholder in the command, so that it
    is no part of the cache key.

    Args:
        task: a kfp task.
        profile: what the cluster's profile says about it.
    """
    _resources(task, profile)
    _retries(task, profile.retries)
    kubernetes.set_timeout(task, _seconds(profile.timeout))
    kubernetes.use_field_path_as_env(task, RUN_ID, RUN_LABEL)
    for name, value in profile.environment.items():
        task.set_env_variable(name, value)
    _volumes(task, profile)
    _sources(task, profile)
    _placement(task, profile)
    _image_and_user(task, profile)


def _resources(task: Any, profile: TaskProfile) -> None:
    task.set_cpu_request(profile.cpu.request).set_cpu_limit(profile.cpu.limit)
    task.set_memory_request(profile.memory.request).set_memory_limit(profile.memory.limit)
    if profile.accelerator is not None:
        task.set_accelerator_type(profile.accelerator.type)
        task.set_accelerator_limit(profile.accelerator.count)


def _retries(task: Any, retries: Retries) -> None:
    task.set_retry(
        retries.max,
        backoff_duration=f"{_seconds(retries.backoff)}s",
        backoff_factor=retries.factor,
        backoff_max_duration=f"{_seconds(retries.cap)}s",
    )


def _volumes(task: Any, profile: TaskProfile) -> None:
    for claim in profile.claims:
        kubernetes.mount_pvc(task, claim.claim, claim.path, sub_path=claim.sub_path)
    if profile.scratch is not None:
        _scratch(task, profile.scratch)
    if profile.shared_memory is not None:
        kubernetes.empty_dir_mount(
            task, "shared-memory", SHARED_MEMORY, medium="Memory", size_limit=profile.shared_memory
        )


def _scratch(task: Any, scratch: Scratch) -> None:
    if scratch.type == "ephemeral":
        kubernetes.add_ephemeral_volume(
            task,
            volume_name="scratch",
            mount_path=scratch.path,
            access_modes=["ReadWriteOnce"],
            size=scratch.size,
            storage_class_name=scratch.storage_class,
        )
    else:
        kubernetes.empty_dir_mount(task, "scratch", scratch.path, size_limit=scratch.size)
    task.set_env_variable("GROUNDSHIFT_WORK", scratch.path)


def _sources(task: Any, profile: TaskProfile) -> None:
    for secret in profile.secrets:
        kubernetes.use_secret_as_env(task, secret.name, secret.env, optional=secret.optional)
    for config in profile.config_maps:
        kubernetes.use_config_map_as_env(task, config.name, config.env, optional=config.optional)


def _placement(task: Any, profile: TaskProfile) -> None:
    for key, value in profile.node_selector.items():
        kubernetes.add_node_selector(task, key, value)
    for toleration in profile.tolerations:
        kubernetes.add_toleration(task, **toleration.model_dump(exclude_none=True))
    for key, value in profile.labels.items():
        kubernetes.add_pod_label(task, key, value)
    for key, value in profile.annotations.items():
        kubernetes.add_pod_annotation(task, key, value)


def _image_and_user(task: Any, profile: TaskProfile) -> None:
    kubernetes.set_image_pull_policy(task, profile.pull_policy)
    if profile.pull_secrets:
        kubernetes.set_image_pull_secrets(task, list(profile.pull_secrets))
    if profile.security is not None:
        kubernetes.set_security_context(
            task,
            run_as_user=profile.security.user,
            run_as_group=profile.security.group,
            run_as_non_root=True,
        )


def _seconds(length: timedelta) -> int:
    return int(length.total_seconds())
