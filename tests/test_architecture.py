"""Imports point downward: the arrows of the architecture, read from the sources."""

import ast
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent / "src"

# Lower layers first; a module imports its own layer's package and lower ones.
LAYERS = [
    {"holdall.errors", "holdall._lazy", "holdall._tokens", "holdall._turns", "holdall._imports"},
    {"holdall.core"},
    {"holdall._buffers", "holdall._concurrency", "holdall.results", "holdall.sources", "holdall.store"},
    {"holdall.drivers"},
    {"holdall.wrappers"},
    {"holdall.engine"},
    {"holdall.mounts", "holdall.tiers", "holdall.columns", "holdall.containers", "holdall.records", "holdall.serve"},
    {"holdall.testing"},
    {"holdall.cli"},  # the tour runs an embedded server
]
STANDARD_ONLY = {
    "holdall.errors", "holdall._lazy", "holdall._tokens", "holdall._turns", "holdall._imports", "holdall._buffers", "holdall.core", "holdall.store", "holdall.results", "holdall.sources", "holdall._concurrency",
    "holdall.wrappers", "holdall.engine", "holdall.mounts", "holdall.tiers", "holdall.drivers.local", "holdall.drivers.memory",
}  # fmt: skip
# Packages named by their unit: third-party imports outside drivers, testing and cli, each with its reason.
THIRD_PARTY = {
    "holdall.core": {"yaml"},  # configuration files, in a function, behind the extra
    "holdall.wrappers": {"opentelemetry"},  # spans where it is installed
    "holdall.mounts": {"fsspec"},  # holdall as an fsspec filesystem
    "holdall.columns": {"sqlalchemy", "litestar", "fsspec", "obstore", "msgspec", "alembic", "pydantic_core"},
    "holdall.containers": {"msgspec", "ormsgpack", "numpy", "isal"},
    "holdall.records": {"sqlalchemy", "msgspec", "pyarrow", "lance", "lancedb", "pandas"},
    "holdall.serve": {"uvicorn"},
}
IMPORTED_LAZILY = {"holdall.mounts.filesystem"}  # subclasses a third-party class: loaded when it is asked for
FREE = ("holdall.drivers", "holdall.testing", "holdall.cli")
# A driver is a family of modules: their stems begin with its name. What all may use, and what one may use beside itself:
SHARED_IN_DRIVERS = {"os_errors", "registry", "handle", "backend"}
OBSTORE = {"objects", "s3", "gcs", "azure", "http"}  # one driver: obstore, and what each service adds to it
DRIVER_FAMILIES = {
    **dict.fromkeys(OBSTORE, OBSTORE),
    **{name: {"tree"} for name in ("sftp", "ftp", "webdav", "smb", "fsspec", "storage")},  # the verbs over any tree of files
}
DRIVER_FAMILIES["fsspec"] |= {"webdav"}  # a program's own WebDAV filesystem lends its client to our requests
S3_VALUES = "holdall.drivers.objects_values"  # pure: how S3 spells keys and metadata, for a user's s3fs too
# A wrapper that is a special case of another one:
WRAPPER_BASES = {"dynamic": {"prefix"}, "readonly": {"restricted"}}
BUILDERS = {"registry", "factories", "protocols", "specs", "building"}  # they make drivers of descriptions


def modules():
    """Yield (dotted name, syntax tree, whether it is a package) of every module."""
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        package = parts[-1] == "__init__"
        yield ".".join(parts[:-1] if package else parts), ast.parse(path.read_text(encoding="utf-8")), package


def imports(name, tree, package, *, at_import_time=False):
    """Yield the dotted names that a module imports; those under TYPE_CHECKING are only types, and left out."""
    stack = list(ast.iter_child_nodes(tree))
    while stack:
        node = stack.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}:
            stack.extend(node.orelse)
            continue
        if at_import_time and isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = name.split(".")[: None if package and node.level == 1 else -(node.level - package)]
                base = ".".join([*above, base]).rstrip(".")
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "lazy" and not at_import_time:
            yield from (ast.literal_eval(argument) for argument in node.args)  # loaded on first use, an import all the same
        stack.extend(ast.iter_child_nodes(node))


def layer(name):
    """Return the index of a module's layer, ``None`` for the root package."""
    for index, units in enumerate(LAYERS):
        if any(name == unit or name.startswith(f"{unit}.") for unit in units):
            return index
    return None


def unit(name):
    """Return the first two names: the package of a module."""
    return ".".join(name.split(".")[:2])


ALL = list(modules())


def test_every_module_has_a_layer():
    known = {name for names in LAYERS for name in names}
    assert {unit(name) for name, *_ in ALL} - known == {"holdall"}


def test_imports_point_downward():
    wrong = []
    for name, tree, package in ALL:
        mine = layer(name)
        if mine is None:
            continue
        for target in imports(name, tree, package):
            theirs = layer(target)
            if theirs is None:
                continue
            sideways = theirs == mine and unit(target) != unit(name) and mine > 2
            if theirs > mine or sideways:
                wrong.append(f"{name} imports {target}")
    assert sorted(set(wrong)) == []


def family(name):
    """Return the driver that a module belongs to: ``holdall.drivers._local_root`` is of ``local``, ``s3pages`` of ``s3``."""
    stem = name.split(".")[2]
    if stem in SHARED_IN_DRIVERS | BUILDERS:
        return stem
    first = stem.strip("_").split("_")[0]
    return next((known for known in OBSTORE if first.startswith(known)), first)


def test_drivers_do_not_import_each_other():
    wrong = set()
    for name, tree, package in ALL:
        if not name.startswith("holdall.drivers.") or family(name) in BUILDERS:
            continue
        allowed = {family(name)} | SHARED_IN_DRIVERS | DRIVER_FAMILIES.get(family(name), set())
        for target in imports(name, tree, package):
            if target.startswith(S3_VALUES) and name.startswith("holdall.drivers.fsspec_s3"):
                continue
            if target.startswith("holdall.drivers.") and family(target) not in allowed:
                wrong.add(f"{name} imports {target}")
    assert sorted(wrong) == []


def test_wrappers_do_not_import_each_other():
    """Helper modules begin with an underscore; the plain wrapper is the base of all."""
    wrong = set()
    for name, tree, package in ALL:
        if not name.startswith("holdall.wrappers.") or name.split(".")[2].startswith("_"):
            continue
        own = name.split(".")[2]
        for target in imports(name, tree, package):
            stem = target.split(".")[2] if target.startswith("holdall.wrappers.") else "_"
            if not stem.startswith("_") and stem not in {own, "forwarding"} | WRAPPER_BASES.get(own, set()):
                wrong.add(f"{name} imports {target}")
    assert sorted(wrong) == []


def test_third_party_imports_stand_where_they_may():
    wrong = set()
    for name, tree, package in ALL:
        if name.startswith(FREE):
            continue
        allowed = THIRD_PARTY.get(unit(name), set())
        for target in imports(name, tree, package):
            top = target.split(".")[0]
            if top and top != "holdall" and top not in sys.stdlib_module_names and top not in allowed:
                wrong.add(f"{name} imports {target}")
    assert sorted(wrong) == []


def test_the_standard_library_is_enough_to_import_the_lower_half():
    """At import time, these load nothing third-party, whatever is imported inside their functions."""
    wrong = set()
    for name, tree, package in ALL:
        below = any(name == unit or name.startswith(f"{unit}.") for unit in STANDARD_ONLY)
        if not below or name in IMPORTED_LAZILY:
            continue
        for target in imports(name, tree, package, at_import_time=True):
            top = target.split(".")[0]
            if top and top != "holdall" and top not in sys.stdlib_module_names:
                wrong.add(f"{name} imports {target}")
    assert sorted(wrong) == []


def test_the_walker_sees_a_wrong_arrow():
    tree = ast.parse("def f():\n    from holdall.mounts import x\nimport requests")
    assert "holdall.mounts" in set(imports("holdall.core.keys", tree, package=False))
    assert set(imports("holdall.core.keys", tree, package=False, at_import_time=True)) == {"requests"}
    later = ast.parse('if TYPE_CHECKING:\n    import x\nelse:\n    x = lazy("holdall.mounts.x")')
    assert set(imports("holdall.core.keys", later, package=False)) == {"holdall.mounts.x"}
    assert set(imports("holdall.core.keys", later, package=False, at_import_time=True)) == set()
    relative = ast.parse("from . import a\nfrom ..store import Store")
    assert {"holdall.core.a", "holdall.store.Store"} <= set(imports("holdall.core.keys", relative, package=False))
