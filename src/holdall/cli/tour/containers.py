"""The scene of containers: 200,000 records to S3 without touching the disk, opened in one round trip, ten leaves read."""

from __future__ import annotations

import uuid
from typing import Any

from holdall.cli.output import human
from holdall.cli.tour.stage import Memory, Stage, timed
from holdall.errors import MissingExtraError

__all__ = ["scene"]

RECORDS = 200_000
PICKED = tuple(range(7, RECORDS, RECORDS // 10))


def scene(stage: Stage) -> bool:
    """Play the scene and return whether everything read is right."""
    try:
        from holdall.containers import LazyReader, LazyWriter  # noqa: PLC0415  # of the extra "containers"
        from holdall.drivers.objects import S3Store  # noqa: PLC0415
        from holdall.testing.servers import Moto  # noqa: PLC0415  # of the extra "testing"
    except ImportError as error:
        raise MissingExtraError('the tour needs an S3 server: pip install "holdall[testing,s3]"') from error
    stage.title(f"containers: {RECORDS} records in one object on S3, read in part")
    bucket = f"tour-{uuid.uuid4().hex[:12]}"
    with Moto.running() as moto:
        moto.client().create_bucket(Bucket=bucket)
        store = S3Store(
            bucket,
            endpoint_url=moto.endpoint,
            region=moto.region,
            access_key_id=moto.access_key,
            secret_access_key=moto.secret_key,
        )
        started = timed()
        with Memory() as memory, LazyWriter("records.lazy", store=store) as writer:
            writer.write(record(i) for i in range(RECORDS))
            result = writer.close()
        share = 100 * result.toc_size / result.data_size
        stage.say(
            f"   ..  {human(result.size)} in {result.requests} requests and {timed() - started:.1f} s; table {share:.2f} %, "
            f"peak memory {human(memory.peak)}"
        )
        right = stage.check("streamed by parts, nothing on disk", not result.spooled)
        with LazyReader("records.lazy", store=store) as reader:
            opened = reader.stats.requests, reader.stats.serial_rounds, reader.stats.bytes
            reader.stats.clear()
            found = reader.read_many([[i] for i in PICKED])
            read = reader.stats.requests, reader.stats.serial_rounds, reader.stats.bytes
        rows = [
            [act, str(requests), str(rounds), human(size)]
            for act, (requests, rounds, size) in (("open", opened), ("ten records", read))
        ]
        stage.table("what reading cost", ["act", "requests", "round trips", "bytes"], rows)
        right = stage.check("opened in one round trip", opened[1] == 1) and right
        right = (
            stage.check("ten records of 200,000 in one round trip", read[1] == 1 and found == [record(i) for i in PICKED])
            and right
        )
        store.close()
    return stage.check(f"all of it in {timed() - started:.1f} s", right)


def record(i: int) -> dict[str, Any]:
    """Return one record."""
    return {"id": i, "name": f"record {i}", "score": i / 7, "tags": ["a", "b"], "ok": i % 3 == 0}
