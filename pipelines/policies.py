"""What each stage may do in an artifact store in S3, from one table.

Every stage writes its own artifacts and no other's, so that a fetch that went wrong, or was taken
over, can't change a model. The same table gives IAM policies and SeaweedFS identities:

    python -m pipelines.policies s3://bucket/store iam evaluate
    python -m pipelines.policies s3://bucket/store seaweedfs
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any, get_args

import typer

from groundshift.artifacts.folder_objects import INCOMING
from groundshift.artifacts.manifest import WRITERS
from groundshift.storage import Address
from pipelines.profile import Component


@dataclass(frozen=True)
class Access:
    """What a stage does beside writing its own artifacts.

    Attributes:
        reads: contracts of others.
        asks: kinds of documents that it reads.
        says: kinds of documents that it writes.
    """

    reads: tuple[str, ...] = ()
    asks: tuple[str, ...] = ()
    says: tuple[str, ...] = ()


ACCESS: dict[Component, Access] = {
    "fetch": Access(("scores",), ("champion", "current"), ("catalogue",)),
    "stack": Access(("plan", "observations"), ("current",)),
    "window": Access(("plan", "observations", "cube"), ("current",)),
    "train": Access(("plan", "cube", "samples")),
    "evaluate": Access(("plan", "cube", "samples", "model"), (), ("champion", "decisions")),
    "infer": Access(
        ("plan", "cube", "samples", "model", "evaluation"),
        ("champion", "reviews"),
        ("current", "published"),
    ),
    "notify": Access(("maps",)),
}
"""Every stage but notify also keeps references to its results, and everybody how tasks ended."""

_EVERYBODY = ("runs",)
_WORKERS = ("refs", INCOMING)
_TAKEN_BACK = (f"{INCOMING}/", "champion/")
"""What a stage also removes of what it has written."""


def written(stage: Component) -> list[str]:
    """Beginnings of the names that a stage writes, below the store."""
    own = [contract for contract, writer in WRITERS.items() if writer == stage]
    kinds = [*_EVERYBODY, *(_WORKERS if own else ()), *ACCESS[stage].says]
    return [*_artifacts(own), *(f"{kind}/" for kind in kinds)]


def read(stage: Component) -> list[str]:
    """Beginnings of the names that a stage reads, below the store."""
    access = ACCESS[stage]
    kinds = ("leases", *access.asks)
    others = [*_artifacts(access.reads), *(f"{kind}/" for kind in kinds)]
    return list(dict.fromkeys([*written(stage), *others]))


def iam(address: Address, stage: Component) -> dict[str, Any]:
    """The policy of a stage, for S3 of AWS and those that speak its language."""
    place = f"arn:aws:s3:::{address.bucket}"

    def named(names: Iterable[str]) -> list[str]:
        return [f"{place}/{address.prefix}{name}*" for name in names]

    allowed = {
        "s3:GetObject": named(read(stage)),
        "s3:PutObject": named(written(stage)),
        "s3:AbortMultipartUpload": named(written(stage)),
        "s3:ListMultipartUploadParts": named(written(stage)),
        # What was said goes; of two who promote at once, one takes its model back.
        "s3:DeleteObject": named(name for name in written(stage) if name in _TAKEN_BACK),
    }
    listing = {
        "Effect": "Allow",
        "Action": ["s3:ListBucket"],
        "Resource": [place],
        "Condition": {"StringLike": {"s3:prefix": [f"{address.prefix}*"]}},
    }
    uploads = {
        "Effect": "Allow",
        "Action": ["s3:ListBucketMultipartUploads"],
        "Resource": [place],
    }
    own = [
        {"Effect": "Allow", "Action": [action], "Resource": resources}
        for action, resources in allowed.items()
        if resources
    ]
    return {"Version": "2012-10-17", "Statement": [*own, listing, uploads]}


def identity(address: Address, stage: Component, key: tuple[str, str]) -> dict[str, Any]:
    """The identity of a stage, for SeaweedFS's `-s3.config`.

    It knows no deleting apart from writing, so that who may write may also delete.

    Args:
        address: of the store.
        stage: whose.
        key: access key and secret.
    """
    place = f"{address.bucket}/{address.prefix}"
    access, secret = key
    return {
        "name": f"groundshift-{stage}",
        "credentials": [{"accessKey": access, "secretKey": secret}],
        "actions": [
            *(f"Read:{place}{name}*" for name in read(stage)),
            *(f"Write:{place}{name}*" for name in written(stage)),
            f"List:{place}*",
        ],
    }


def _artifacts(contracts: Iterable[str]) -> list[str]:
    """Where pointers and files of artifacts lie."""
    contracts = list(contracts)
    files = [f"dvc/{WRITERS[contract]}/" for contract in contracts]
    return [*(f"objects/{contract}/" for contract in contracts), *dict.fromkeys(files)]


def main(
    store: Annotated[str, typer.Argument(help="Address of the store, s3://bucket/folder.")],
    form: Annotated[str, typer.Argument(help="iam or seaweedfs.")] = "iam",
    stages: Annotated[list[str] | None, typer.Argument(help="Which; all by default.")] = None,
) -> None:
    """Print the policies of the stages as JSON; keys of SeaweedFS are left to be filled in."""
    address = Address.parse(store)
    chosen = [stage for stage in get_args(Component) if not stages or stage in stages]
    if form == "iam":
        document: dict[str, Any] = {stage: iam(address, stage) for stage in chosen}
    else:
        blank = ("ACCESS_KEY", "SECRET_KEY")
        document = {"identities": [identity(address, stage, blank) for stage in chosen]}
    typer.echo(json.dumps(document, indent=1))


if __name__ == "__main__":
    typer.run(main)
