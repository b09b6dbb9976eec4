"""What a fake Kubeflow Pipelines remembers, and the rules of the real one about it.

Rules and answers follow the API server's source: which names are unique, what a namespace may be,
how filters, sorting and page tokens work, what deleting a recurring run takes with it.
"""

import base64
import json
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import yaml

Item = dict[str, Any]

NOT_YET = "1970-01-01T00:00:00Z"
CODES = {400: 3, 401: 16, 403: 7, 404: 5, 409: 6, 500: 13, 503: 14}
_OPERATIONS = {1: "EQUALS", 9: "IS_SUBSTRING"}
_ID = {
    "pipelines": "pipeline_id",
    "pipeline_versions": "pipeline_version_id",
    "experiments": "experiment_id",
    "runs": "run_id",
    "recurring_runs": "recurring_run_id",
}
_KEYS = {"name", "display_name", "description", "created_at", "state", "storage_state"}
_RUN_FIELDS = {
    "display_name",
    "description",
    "experiment_id",
    "pipeline_spec",
    "pipeline_version_reference",
    "runtime_config",
    "service_account",
    "namespace",
}
_RECURRING_FIELDS = _RUN_FIELDS | {"max_concurrency", "trigger", "mode", "no_catchup"}


class RefusedError(Exception):
    """An error answer: HTTP status and message."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class State:
    """Everything that survives a restart of the API server."""

    def __init__(self, namespaces: tuple[str, ...] = ()) -> None:
        self.namespaces = namespaces
        self.items: dict[str, dict[str, Item]] = {kind: {} for kind in _ID}
        self.final: Callable[[str], str] = lambda name: "SUCCEEDED"
        self._now = datetime(2026, 11, 21, tzinfo=UTC)

    # -- names and lists ---------------------------------------------------------------------

    def named(self, kind: str, name: str) -> list[Item]:
        return [item for item in self.items[kind].values() if item["display_name"] == name]

    def get(self, kind: str, item_id: str) -> Item:
        try:
            return self.items[kind][item_id]
        except KeyError:
            raise RefusedError(404, f"ResourceNotFoundError: {kind} {item_id} not found.") from None

    def list(self, kind: str, query: dict[str, str], **must: str) -> Item:
        """One page. `must` are exact values besides the filter's."""
        if kind != "pipeline_versions":
            must |= self._scope(kind, query)
        criteria = {"filter": query.get("filter", ""), "sort_by": query.get("sort_by", "")}
        size = int(query.get("page_size", 0)) or 20
        if size < 0:
            raise RefusedError(400, "The page size should be greater than 0")
        found = [
            item
            for item in self.items[kind].values()
            if all(item.get(key, "") == value for key, value in must.items())
            and _matches(item, criteria["filter"])
        ]
        key, _, order = (criteria["sort_by"] or "created_at").partition(" ")
        if key not in _KEYS or order not in ("", "asc", "desc"):
            raise RefusedError(400, f"Invalid sorting field: {criteria['sort_by']!r}")
        found.sort(key=lambda item: (item[key], item[_ID[kind]]), reverse=order == "desc")
        start = 0
        if query.get("page_token"):
            token = _token(query["page_token"])
            if token["criteria"] != criteria:
                raise RefusedError(400, "page token does not match the supplied sort by and filter")
            ids = [item[_ID[kind]] for item in found]
            start = ids.index(token["next"]) if token["next"] in ids else len(ids)
        page, rest = found[start : start + min(size, 200)], found[start + min(size, 200) :]
        answer: Item = {"total_size": len(found)} if found else {}
        if page:
            # The one list that the API does not write with an underscore.
            answer["recurringRuns" if kind == "recurring_runs" else kind] = page
        if rest:
            token = {"criteria": criteria, "next": rest[0][_ID[kind]]}
            answer["next_page_token"] = base64.b64encode(json.dumps(token).encode()).decode()
        return answer

    def _scope(self, kind: str, query: dict[str, str]) -> dict[str, str]:
        if query.get("experiment_id"):
            return {
                "experiment_id": self.get("experiments", query["experiment_id"])["experiment_id"]
            }
        namespace = query.get("namespace", "")
        if not self.namespaces and namespace:
            raise RefusedError(400, "In single-user mode, lists cannot be filtered by namespace.")
        if self.namespaces and not namespace and kind != "pipelines":
            raise RefusedError(400, "In multi-user mode, lists must be filtered by namespace.")
        self.authorize(namespace)
        return {"namespace": namespace} if namespace else {}

    def authorize(self, namespace: str) -> None:
        if self.namespaces and namespace and namespace not in self.namespaces:
            raise RefusedError(403, f"PermissionDenied: User is not authorized in {namespace}.")

    # -- creating ----------------------------------------------------------------------------

    def create(self, kind: str, body: Item) -> Item:
        make = {
            "pipelines": self._pipeline,
            "experiments": self._experiment,
            "runs": self._run,
            "recurring_runs": self._recurring_run,
        }
        return make[kind](body)

    def version(self, pipeline_id: str, name: str, package: str) -> Item:
        self.get("pipelines", pipeline_id)
        siblings = self.items["pipeline_versions"].values()
        if any(v["pipeline_id"] == pipeline_id and v["display_name"] == name for v in siblings):
            raise RefusedError(409, "Failed to create a pipeline version")
        documents = list(yaml.safe_load_all(package))
        if not documents or "pipelineInfo" not in documents[0]:
            raise RefusedError(400, "unknown pipeline spec format")
        spec = {"pipeline_spec": documents[0]} if len(documents) > 1 else documents[0]
        return self._add(
            "pipeline_versions",
            {"pipeline_id": pipeline_id, "display_name": name, "name": name, "pipeline_spec": spec},
        )

    def _pipeline(self, body: Item) -> Item:
        self._unique("pipelines", body)
        return self._add("pipelines", {"name": body["display_name"], **body})

    def _experiment(self, body: Item) -> Item:
        self._unique("experiments", body)
        return self._add("experiments", {**body, "storage_state": "AVAILABLE"})

    def _run(self, body: Item) -> Item:
        self._checked(body, _RUN_FIELDS)
        item = self._add("runs", {**body, "storage_state": "AVAILABLE", "finished_at": NOT_YET})
        self.move(item, "PENDING")
        return item

    def _recurring_run(self, body: Item) -> Item:
        self._checked(body, _RECURRING_FIELDS)
        if not 1 <= int(body.get("max_concurrency", 0)) <= 10:
            raise RefusedError(
                400, "The max concurrency of the recurring run is out of range. 1-10."
            )
        if len(body["trigger"]["cron_schedule"]["cron"].split()) not in (5, 6):
            raise RefusedError(
                400, "Schedule cron is not a supported format. Error: Expected 6 fields"
            )
        status = "ENABLED" if body.get("mode") == "ENABLE" else "DISABLED"
        return self._add("recurring_runs", {**body, "status": status})

    def _checked(self, body: Item, fields: set[str]) -> None:
        unknown = sorted(body.keys() - fields)
        if unknown:
            raise RefusedError(400, f'proto: unknown field "{unknown[0]}"')
        experiment = self.get("experiments", body["experiment_id"])
        self.authorize(experiment.get("namespace", ""))
        if experiment.get("namespace"):
            body["namespace"] = experiment["namespace"]
        reference = body.get("pipeline_version_reference")
        if reference is None and "pipeline_spec" not in body:
            raise RefusedError(400, "Pipeline spec or pipeline version reference is required")
        if reference:
            self.get("pipelines", reference["pipeline_id"])
            if reference.get("pipeline_version_id"):
                self.get("pipeline_versions", reference["pipeline_version_id"])

    def _unique(self, kind: str, body: Item) -> None:
        namespace = body.get("namespace", "")
        if not self.namespaces and namespace:
            raise RefusedError(400, "In single-user mode, the namespace must be empty.")
        if self.namespaces and not namespace and kind == "experiments":
            raise RefusedError(400, "In multi-user mode, an experiment needs a namespace.")
        self.authorize(namespace)
        if any(i.get("namespace", "") == namespace for i in self.named(kind, body["display_name"])):
            raise RefusedError(409, f"Already exist error: {body['display_name']} already exists.")

    def _add(self, kind: str, body: Item) -> Item:
        item = {_ID[kind]: str(uuid.uuid4()), "created_at": self._time(), **body}
        self.items[kind][item[_ID[kind]]] = item
        return item

    # -- what happens by itself --------------------------------------------------------------

    def tick(self) -> None:
        """Let every run do a step: pending, running, its end."""
        for run in self.items["runs"].values():
            if run["state"] == "PENDING":
                self.move(run, "RUNNING")
            elif run["state"] == "RUNNING":
                self.move(run, self.final(run["display_name"]))

    def move(self, run: Item, state: str, message: str = "") -> None:
        now = self._time()
        run["state"] = state
        run.setdefault("state_history", []).append({"update_time": now, "state": state})
        if state in ("SUCCEEDED", "FAILED", "CANCELED", "SKIPPED"):
            run["finished_at"] = now
        if message:
            run["error"] = {"code": 13, "message": message}

    def trigger(self, recurring_run_id: str) -> Item:
        """Start the run that a schedule starts when it is time."""
        job = self.get("recurring_runs", recurring_run_id)
        body = {key: job[key] for key in _RUN_FIELDS & job.keys()}
        run = self._run(body)
        run["recurring_run_id"] = recurring_run_id
        return run

    def delete_recurring_run(self, recurring_run_id: str, policy: str) -> None:
        self.get("recurring_runs", recurring_run_id)
        del self.items["recurring_runs"][recurring_run_id]
        if policy != "ORPHAN":
            # Kubernetes deletes the workflows that the scheduled workflow owns.
            for run in self.items["runs"].values():
                if run.get("recurring_run_id") == recurring_run_id and run["state"] == "RUNNING":
                    self.move(run, "FAILED", "workflow was deleted")

    def _time(self) -> str:
        self._now += timedelta(seconds=1)
        return f"{self._now:%Y-%m-%dT%H:%M:%SZ}"


def _matches(item: Item, text: str) -> bool:
    predicates = json.loads(text).get("predicates", []) if text else []
    for predicate in predicates:
        operation = predicate["operation"]
        operation = _OPERATIONS.get(operation, operation)
        key = predicate["key"]
        if key not in _KEYS or operation not in _OPERATIONS.values():
            raise RefusedError(400, f"Invalid filter: no support for {operation} on {key}")
        value = predicate.get("stringValue", predicate.get("string_value"))
        # The server's database compares names without case.
        found, wished = item.get(key, "").lower(), value.lower()
        if not (found == wished if operation == "EQUALS" else wished in found):
            return False
    return True


def _token(text: str) -> Item:
    try:
        token: Item = json.loads(base64.b64decode(text))
    except ValueError:
        raise RefusedError(400, "Invalid package token") from None
    return token
