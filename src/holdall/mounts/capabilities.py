"""`MountCapabilities`: what works on a mount or node, in the words of this face."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from holdall.core.capabilities import Capabilities

__all__ = ["MountCapabilities"]

_NOTABLE = {
    "versioning": "versioning",
    "metadata": "metadata",
    "tags": "tags",
    "presigned_urls": "presigned URLs",
    "public_urls": "public URLs",
    "atomic_rename": "atomic rename",
    "conditional_put": "conditional writes",
    "symbolic_links": "symbolic links",
    "copy_optimization": "server-side copy",
    "hash_on_metadata": "fast hashing",
    "temporary": "temporary storage",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class MountCapabilities:
    """What works here, permissions included. No I/O was needed to know it.

    Attributes:
        read, write, delete: The groups of verbs.
        mkdir: Empty directories can be made (``directories`` says how).
        list_dir: `StorageNode.iterdir`, ``glob`` and ``walk`` work.
        versioning: Overwrites are known to keep the old version.
        version_listing, version_access: ``versions`` and ``open(version=…)`` work.
        metadata, tags: Kept beside the content.
        presigned_urls: ``get_presigned_url`` signs.
        public_urls: ``url`` gives a plain address.
        atomic_operations: Writes are whole or absent.
        atomic_rename: ``rename`` is atomic.
        conditional_put: Create-only and compare-and-set writes.
        symbolic_links: Links inside the root are followed.
        copy_optimization: Copies within the storage do not pass through here.
        hash_on_metadata: The storage vouches for digests.
        append_mode: ``open("a")`` works.
        seek_support, ranges: Reads may begin anywhere.
        set_mtime: ``touch`` sets the time of an existing file.
        readonly: Nothing can be written.
        temporary: Content dies with the process.
        directories: ``real``, ``marker`` or ``implied``.

    Example:
        >>> str(MountCapabilities())
        'basic file operations'
    """

    read: bool = True
    write: bool = True
    delete: bool = True
    mkdir: bool = False
    list_dir: bool = True
    versioning: bool = False
    version_listing: bool = False
    version_access: bool = False
    metadata: bool = False
    tags: bool = False
    presigned_urls: bool = False
    public_urls: bool = False
    atomic_operations: bool = True
    atomic_rename: bool = False
    conditional_put: bool = False
    symbolic_links: bool = False
    copy_optimization: bool = False
    hash_on_metadata: bool = False
    append_mode: bool = False
    seek_support: bool = True
    ranges: bool = True
    set_mtime: bool = False
    readonly: bool = False
    temporary: bool = False
    directories: Literal["real", "marker", "implied"] = "implied"

    @classmethod
    def of(cls, store: Capabilities, *, public_urls: bool = False, snapshot: bool = False) -> MountCapabilities:
        """Return a store's capabilities in these words.

        Args:
            store: What the store says.
            public_urls: Whether the mount has public addresses.
            snapshot: Narrow to what a node fixed to a version can do.
        """
        write = store.write and not snapshot
        return cls(
            read=store.read,
            write=write,
            delete=store.delete and not snapshot,
            mkdir=write and store.directories != "implied",
            list_dir=store.list,
            versioning=store.versioned and not snapshot,
            version_listing=store.versions,
            version_access=store.versions,
            metadata=store.metadata,
            tags=store.tags,
            presigned_urls=bool(store.sign),
            public_urls=public_urls,
            atomic_rename=store.rename and write,
            conditional_put=store.create and store.update and write,
            symbolic_links=store.symlinks,
            copy_optimization=store.copy,
            hash_on_metadata=bool(store.digests),
            append_mode=write and (store.local or store.update),
            seek_support=store.ranges,
            ranges=store.ranges,
            set_mtime=store.set_modified and write,
            readonly=not write,
            temporary=store.temporary,
            directories=store.directories,
        )

    def __str__(self) -> str:
        shown = [word for field, word in _NOTABLE.items() if getattr(self, field)]
        if self.readonly:
            shown.insert(0, "read-only")
        return ", ".join(shown) or "basic file operations"
