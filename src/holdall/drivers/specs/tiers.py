"""Several locations as one mount: what `holdall.tiers.FileStore` takes."""

from __future__ import annotations

from typing import Any

from holdall.core.params import Faults, Param
from holdall.core.urls import URLSpec

__all__ = ["TIERS"]


def _check(fields: dict[str, Any], faults: Faults) -> None:
    locations = fields.get("locations")
    if locations is not None and (isinstance(locations, (str, bytes)) or not hasattr(locations, "__iter__")):
        faults.add("'locations' is a list of URLs, mounts or mappings")


TIERS = URLSpec(
    type="tiers",
    check=_check,
    params=(
        Param(name="locations", kind="raw", required=True, form="mapping", help="URLs, mounts (`uploads:sub`) or mappings with `url` or `store`; in the order of reading"),
        Param(name="names", kind="any", form="mapping", help="names of the locations, in order"),
        Param(name="layout", choices=("flat", "sharded"), default="flat", help="how names become keys"),
        Param(name="existing", choices=("compare", "keep", "replace"), default="compare", help="a location that has the key already: skip equal content, skip by name, or write"),
        Param(name="immutable", kind="bool", default=False, help="names never change content"),
        Param(name="degraded", choices=("serve", "raise"), default="serve", help="an earlier location could not be asked: serve from a later one, or raise"),
        Param(name="digest", choices=("sha256", "crc32", "none"), default="sha256", help="kept beside each object"),
        Param(name="verify_reads", kind="bool", default=False, help="check the digest on whole reads"),
        Param(name="arbiter", help="name of the location that decides conditional writes"),
        Param(name="confirm", kind="bool", default=True, help="compare all locations after an overwrite"),
    ),
)  # fmt: skip
"""Several locations as one."""
