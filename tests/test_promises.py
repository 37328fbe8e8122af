"""The tables of design record 0016 name real tests, and tests in both colours where they say so."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
RECORD = ROOT / "docs" / "design" / "0016-holes-and-bad-input.md"
REFERENCE = re.compile(r"((?:contract|tests)/[\w/]+\.py)::(test_\w+)")
COLOURED = {"colour", "verbs"}
"""Fixtures that run a test once in each colour."""


def promises():
    for line in RECORD.read_text(encoding="utf-8").splitlines():
        for path, test in REFERENCE.findall(line):
            where = f"src/holdall/testing/{path}" if path.startswith("contract/") else path
            yield pytest.param(where, test, line.rstrip(" |").endswith("| both"), id=f"{path}::{test}")


def both_colours(test: ast.FunctionDef, module: ast.Module) -> bool:
    """Tell whether a test runs in each colour by a fixture, or takes them in turn, or uses both itself or in a program that it starts."""
    arguments = {argument.arg for argument in test.args.args}
    named = {node.id for node in ast.walk(test) if isinstance(node, ast.Name)}
    programs = [
        node
        for node in module.body
        if isinstance(node, ast.Assign) and named & {target.id for target in node.targets if isinstance(target, ast.Name)}
    ]
    return (
        bool(COLOURED & arguments)
        or "colour_named" in named
        or any("_async" in ast.unparse(part) for part in (test, *programs))
    )


@pytest.mark.parametrize(("path", "name", "both"), list(promises()))
def test_it_is_there(path, name, both):
    module = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    found = [node for node in ast.walk(module) if isinstance(node, ast.FunctionDef) and node.name == name]
    assert found, f"{path} has no {name}"
    if both:
        assert both_colours(found[0], module), f"{name} shows one colour"
