"""S3: a bucket with patience for its faults, transfers that go on where they stopped, DVC's layout.

It knows bytes and names, no artifacts.
"""

from groundshift.storage.bucket import Address, Bucket, Item, is_s3
from groundshift.storage.dvc import Listing, Pointer
from groundshift.storage.transfer import Blob, Sent, download, upload

__all__ = [
    "Address",
    "Blob",
    "Bucket",
    "Item",
    "Listing",
    "Pointer",
    "Sent",
    "download",
    "is_s3",
    "upload",
]
