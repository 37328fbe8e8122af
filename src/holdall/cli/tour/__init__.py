"""``make tour``: the main jobs on real data, with embedded defaults: no account, no network, no root.

Each face has a scene, a function that takes a `Stage` and returns whether what it showed is right. The exit code is 0 if all are.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Callable, Sequence

from holdall.cli.tour.stage import Stage
from holdall.errors import HoldallError, MissingExtraError

__all__ = ["SCENES", "main"]

SCENES = {
    "mounts": "holdall.cli.tour.mounts:scene",
    "tiers": "holdall.cli.tour.tiers:scene",
    "containers": "holdall.cli.tour.containers:scene",
    "records": "holdall.cli.tour.records:scene",
    "columns": "holdall.cli.tour.columns:scene",
}
"""The scenes in their order: name to ``module:function``."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Play the scenes and return the exit code.

    Args:
        arguments: ``[SCENE...] [--files N]``; those of the process if ``None``.
    """
    parser = argparse.ArgumentParser(prog="python -m holdall.cli.tour", description="The main jobs of holdall on real data.")
    parser.add_argument("scenes", nargs="*", metavar="SCENE", help=f"which scenes ({', '.join(SCENES)}); all by default")
    parser.add_argument("--files", type=int, default=None, metavar="N", help="take the first N files only")
    chosen = parser.parse_args(arguments)
    unknown = [name for name in chosen.scenes if name not in SCENES]
    if unknown:
        parser.error(f"no scene {unknown[0]!r}: {', '.join(SCENES)}")
    stage = Stage(files=chosen.files)
    right = True
    for name in chosen.scenes or SCENES:
        module, _, function = SCENES[name].partition(":")
        try:
            scene: Callable[[Stage], bool] = getattr(importlib.import_module(module), function)
            right = scene(stage) and right
        except MissingExtraError as error:
            stage.complain(str(error))
            return 2
        except HoldallError as error:
            stage.complain(f"{name}: {error}")
            right = False
        except KeyboardInterrupt:
            stage.complain("interrupted")
            return 130
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
