"""Object stores: S3, Google Cloud Storage, Azure Blob and HTTP through `obstore`, and any obstore instance of the user's.

What obstore cannot do comes from a side channel: boto3 for S3 (extra ``s3``), requests of our own for Azure.
"""

from __future__ import annotations

from holdall.drivers.azure import AzureStore
from holdall.drivers.gcs import GCSStore
from holdall.drivers.http import HTTPStore
from holdall.drivers.objects_store import ObstoreStore
from holdall.drivers.s3 import S3Store

__all__ = ["AzureStore", "GCSStore", "HTTPStore", "ObstoreStore", "S3Store"]
