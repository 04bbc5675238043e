"""From a place to the store that serves it."""

from pathlib import Path

from services.archiver.config import S3Place
from services.archiver.shell.s3 import BucketStore
from services.archiver.shell.store import ArchiveStore, DirectoryStore


def store_at(place: Path | S3Place) -> ArchiveStore:
    """The store of a place."""
    return DirectoryStore(place) if isinstance(place, Path) else BucketStore(place)
