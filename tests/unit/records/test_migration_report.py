"""What a checkpoint tells from other jobs, and what is kept to be proved."""

import subprocess
import sys

from holdall.drivers.local import LocalStore
from holdall.drivers.memory import MemoryStore
from holdall.records import ObjectDatabase, Query, SQLDatabase
from holdall.records.migration_report import Content, Proofs, Rules


def job(source, target, **options):
    given = {
        "transform": None,
        "on_conflict": "insert",
        "batch_size": 500,
        "on_error": "raise",
        "verify": "count",
        "delete_source": False,
        "dry_run": False,
    }
    return Rules.of(Query(), **{**given, **options}).fingerprint(source, target)


def on(where):
    return SQLDatabase("postgresql://me@there/data", schema=where)


def test_a_job_is_of_two_places_and_its_options(tmp_path):
    here = ObjectDatabase(LocalStore(tmp_path, create=True))
    first = job(on("a"), here)
    assert first == job(on("a"), ObjectDatabase(LocalStore(tmp_path, create=True)), batch_size=3, on_error="collect")
    others = [
        job(on("b"), here),
        job(here, on("a")),
        job(on("a"), ObjectDatabase(LocalStore(tmp_path), prefix="other/")),
        job(on("a"), here, verify="full"),
        job(on("a"), here, verify="sample:5"),
        job(on("a"), here, on_conflict="skip"),
        job(on("a"), here, transform=str),
    ]
    assert len({first, *others}) == 8


def test_what_is_in_memory_is_known_by_its_name_alone():
    """Its place is another one in each process."""
    for make in (lambda: ObjectDatabase(MemoryStore()), lambda: SQLDatabase("sqlite://")):
        assert job(make(), on("a")) == job(make(), on("a"))
        assert make().place != make().place


FUNCTIONS = """
one, other = lambda record: record.id in {"a", "b", "c"}, lambda record: record.id in {"a", "b", "d"}
deep = lambda record: [each + 1 for each in record], lambda record: [each + 2 for each in record]
named = lambda record: record.copy(), lambda record: record.project()
functions = [one, other, *deep, *named]
"""
TOLD = f"""
import sys
sys.path.insert(0, {str(__file__.rpartition("/")[0])!r})
from test_migration_report import FUNCTIONS, job, on
exec("# a line more\\n" + FUNCTIONS)
print([job(on("a"), on("b"), transform=each) for each in functions])
"""


def test_a_transform_is_known_by_its_code():
    """In every process alike, and wherever it stands in its file."""
    found = {}
    exec(FUNCTIONS, found)
    told = [job(on("a"), on("b"), transform=each) for each in found["functions"]]
    assert len({*told, job(on("a"), on("b"))}) == 7
    done = subprocess.run([sys.executable, "-c", TOLD], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == str(told)


def test_what_was_written_again_counts_as_it_was_written_last():
    proofs = Proofs(5)
    for n in range(200):
        proofs.draw(f"r{n % 20}", Content(f"{n}", 1))
    assert len(proofs.wanted) == 5
    proofs.draw(next(iter(proofs.wanted)), Content("last", 1))
    assert next(iter(proofs.wanted.values())) == Content("last", 1)
    proofs.doubt("x", Content("doubt", 1))
    again = Proofs(5)
    again.load(proofs.dump())
    assert again.wanted == proofs.wanted and again.wanted["x"].digest == "doubt"
    for each in (proofs, again):
        for n in range(200):
            each.draw(f"s{n}", Content("new", 1))
        assert len(each.wanted) == 6 and "x" in each.wanted
        each.draw("x", Content("proved", 1))
        assert len(each.wanted) == 5 and each.wanted.get("x") in {None, Content("proved", 1)}
