"""``holdall records``: output, JSON, exit codes."""

import json
import math
import os
import pty
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest

from holdall import storages
from holdall.cli.records import condition
from holdall.cli.running import run
from holdall.records import Database, Filter, Query, Record, SQLDatabase
from holdall.records.record import Field


@pytest.fixture
def command(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HOLDALL_CONFIG", raising=False)
    (tmp_path / "holdall.toml").write_text(
        '[databases.old]\nbackend = "sqlite"\npath = "old.db"\n[databases.new]\nbackend = "file"\npath = "new"\n'
    )
    with SQLDatabase("sqlite:///old.db") as db:
        db.batch_create(Record({"id": f"r{i}", "n": i, "name": f"n {i}"}, {"team": "x"}) for i in range(5))

    def call(*arguments):
        code = run(["records", *arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


def test_query_and_count(command):
    code, out, err = command("query", "old", "--where", "n >= 3", "--sort", "n:desc", "--select", "name")
    assert (code, err) == (0, "") and out == 'r4  {"name": "n 4"}\nr3  {"name": "n 3"}\n'
    found = json.loads(command("query", "sqlite:///old.db", "-w", "name = n 2", "--json")[1])
    assert found["id"] == "r2" and found["fields"]["n"] == 2 and found["metadata"]["team"] == "x"
    assert command("query", "old", "--limit", "1", "--offset", "1")[1].startswith("r1")
    assert command("query", "old", "--sql", "SELECT count(*) AS n FROM records WHERE n > 1")[1] == '{"n": 3}\n'
    assert command("count", "old")[1] == "5\n"
    assert command("count", "old", "-w", "n in [1, 2, 9]", "-w", "name exists", "--json")[1] == '{"count": 2}\n'


def test_export(command, tmp_path):
    assert command("export", "old", "out.csv", "--column", "n", "-w", "n < 2")[1].startswith("2 records, ")
    assert (tmp_path / "out.csv").read_text() == "id,n\nr0,0\nr1,1\n"
    assert json.loads(command("export", "old", "out.jsonl", "--json")[1])["records"] == 5
    assert command("export", "old", "out.what")[0] == 2


@pytest.mark.parametrize(
    ("keys", "wanted"),
    [
        (["n"], "01234"),
        (["n:asc"], "01234"),
        (["n:DESC"], "43210"),
        (["odd", "n:desc"], "42031"),
        (["a:b"], "32104"),
        (["a:b:desc"], "01234"),
        (["x:desc:asc"], "43210"),
    ],
)
def test_sorting(command, keys, wanted):
    with SQLDatabase("sqlite:///old.db") as db:
        for record in db.all():
            n = record["n"]
            db.update(record.id, Record({"n": n, "odd": n % 2, "a:b": -n if n < 4 else None, "x:desc": 9 - n}))
    _, out, err = command("query", "old", *(word for key in keys for word in ("--sort", key)))
    assert "".join(line[1] for line in out.splitlines()) == wanted, err


def test_export_of_columns_of_the_system(command, tmp_path):
    command("export", "old", "out.csv", "--column", "created_at", "--column", "metadata", "-w", "n = 0")
    with SQLDatabase("sqlite:///old.db") as db:
        created = db.require("r0").created_at.isoformat()
        db.create(Record({"w": Field("w", 5, {"unit": "kg"})}))
    assert (tmp_path / "out.csv").read_text() == f'id,created_at,metadata\nr0,{created},"{{""team"":""x""}}"\n'
    assert command("export", "old", "out.csv")[1].endswith("left out: fields['w'].metadata\n")


def test_databases_by_path(command, tmp_path):
    """A path is a file of SQLite or a directory; what is only read has to be there."""
    assert command("migrate", "./old.db", "./copy", "-w", "n < 2")[1] == "2 read, 2 written\n"
    assert command("count", "./copy")[1] == "2\n"
    assert command("migrate", "./copy", "./again.db")[1] == "2 read, 2 written\n"
    assert command("count", "sqlite:///again.db")[1] == "2\n"
    assert command("count", "sqlite+pysqlite:///again.db")[1] == "2\n"
    for missing in ("sqlite:///missing.db", "sqlite+pysqlite:///missing.db", "./missing.db", "./missing"):
        code, _, said = command("query", missing)
        assert code == 2 and "there is no" in said
    assert not (tmp_path / "missing.db").exists()


def test_databases_on_mounts(command, tmp_path):
    """``mount:path`` is a directory of objects there, for the command and for `Database.open`."""
    code, _, said = command("count", "cloud:meta")
    assert code == 2 and "cloud" in said
    with (tmp_path / "holdall.toml").open("a") as file:
        file.write('[mounts.cloud]\ntype = "local"\npath = "cloud"\ncreate = true\n')
    assert command("migrate", "old", "cloud:meta")[1] == "5 read, 5 written\n"
    assert command("count", "cloud:meta", "-w", "n < 2")[1] == "2\n"
    assert (tmp_path / "cloud" / "meta" / "r0.json").exists()
    storages.configure([{"name": "cloud-of-a-test", "type": "local", "path": str(tmp_path / "cloud")}])
    try:
        with Database.open("cloud-of-a-test:meta") as db:
            assert db.count() == 5
    finally:
        storages.delete_mount("cloud-of-a-test")


def test_migrate(command, tmp_path):
    for target in ("new", "./there", "./there.db", "sqlite:///there.db"):
        assert command("migrate", "old", target, "-w", "n < 2", "--dry-run")[1] == "would be: 2 read, 2 written\n"
    assert not any((tmp_path / name).exists() for name in ("new", "there", "there.db"))
    assert command("count", "new")[1] == "0\n"
    assert command("migrate", "old", "new", "-w", "n < 2", "--delete-source", "--verify", "full") == (
        0,
        "2 read, 2 written, 2 deleted\n",
        "",
    )
    assert (command("count", "old")[1], command("count", "new")[1]) == ("3\n", "2\n")
    with SQLDatabase("sqlite:///old.db") as db:
        db.create(Record({"id": "r0", "other": 1}))
    code, out, err = command("migrate", "old", "new")
    assert (
        code == 1 and "1 failed" in out and "r0: the target has another record 'r0'" in out and err.startswith("holdall: ")
    )
    code, out, err = command("migrate", "old", "new", "--keep-going", "--json")
    report = json.loads(out)
    assert code == 1 and (report["same"], report["failed"], report["errors"][0]["id"]) == (3, 1, "r0") and not err
    assert command("migrate", "old", "new", "--on-conflict", "upsert", "-q") == (0, "", "")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("count", "nobody"), "no database 'nobody'"),
        (("count", "old", "-w", "nonsense"), "FIELD OP VALUE"),
        (("count", "old", "-w", "n regex ("), "invalid regular expression"),
        (("count", "old", "-w", "n = "), "lacks a value: '' is an empty text"),
        (("count", "old", "-w", "n in 1,2"), "'n in 1,2': 'in' takes a collection of values, not str such as [1, 2]"),
        (("count", "old", "-w", "n between 1 2"), "takes two bounds such as [1, 2]"),
        (("count", "old", "-w", "n exists 5"), "takes no value"),
        (("count", "old", "-w", "full name = 5"), "a field with spaces stands in double quotes"),
        (("count", "old", "-w", "n != 2 and other = 1"), "one --where for each condition"),
        (("migrate", "old", "new", "-w", "n > 2 OR n not_in [1]", "--delete-source"), "one --where for each condition"),
        (("count", "old", "-w", "n != 2 && other = 1"), "one --where for each condition"),
        (("count", "old", "-w", "n != 2, other = 1"), "one --where for each condition"),
        (("count", "old", "-w", "(n = 2)"), "FIELD OP VALUE"),
        (("query", "old", "--sort", "n:dsc"), "asc or desc, not 'dsc' (a field of that name: 'n:dsc:asc')"),
        (("query", "old", "--sort", "n:descending"), "asc or desc, not 'descending'"),
        (("query", "old", "--sort", "n:"), "asc or desc, not ''"),
        (("query", "old", "--sort", ":desc"), "a sort key is FIELD, FIELD:asc or FIELD:desc, not ':desc'"),
        (("query", "old", "--sort", ""), "a sort key is FIELD"),
        (("query", "old", "--sort", "n desc"), "write 'n:desc'"),
        (("count", "old.db"), "write ./old.db"),
        (("query", "old", "--sql", "DELETE FROM records"), "one SELECT"),
        (("query", "old", "--sql", "SELECT 1", "--limit", "1"), "--sql says it all"),
        (("migrate", "old", "new", "--verify", "some"), "verify is"),
        (("count", "nonsense://x"), "nonsense"),
        (("count", "sqllite:///old.db"), "did you mean 'sqlite'"),
    ],
)
def test_mistakes_are_one_line(command, arguments, said):
    code, out, err = command(*arguments)
    assert code == (1 if "DELETE" in arguments[-1] else 2) and out == "" and said in err and err.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("age >= 18", Filter("age", ">=", 18)),
        ('city not_in ["Ghent"]', Filter("city", "not in", ["Ghent"])),
        ("a.b between [1, 2]", Filter("a.b", "between", (1, 2))),
        ("x NOT EXISTS", Filter("x", "not exists")),
        ("x = null", Filter("x", "=", None)),
        ("x = ''", Filter("x", "=", "")),
        ('"full name" = Ada L', Filter("full name", "=", "Ada L")),
        ('"full name" exists', Filter("full name", "exists")),
        ('"a" = "b"', Filter("a", "=", "b")),
        ("name like a%", Filter("name", "like", "a%")),
        ('n = "5"', Filter("n", "=", "5")),
        ("n = '5'", Filter("n", "=", "5")),
        ("n = 'it''s and n = 5'", Filter("n", "=", "it's and n = 5")),
        ("title = war and peace", Filter("title", "=", "war and peace")),
        ("price = 0.3", Filter("price", "in", (0.3, Decimal("0.3")))),
        ("price <> 0.3", Filter("price", "not in", (0.3, Decimal("0.3")))),
        ("price = 0.5", Filter("price", "=", 0.5)),
        ("price < 0.3", Filter("price", "<", 0.3)),
        ("price = Infinity", Filter("price", "=", math.inf)),
        ('price = {"$decimal": "0.3"}', Filter("price", "=", Decimal("0.3"))),
        ("at < 2024-01-01T00:00:00", Filter("at", "<", "2024-01-01T00:00:00")),
    ],
)  # fmt: skip
def test_conditions(text, wanted):
    assert condition(Query(), text).condition == wanted


def test_a_number_is_found_as_a_float_and_as_a_decimal(command):
    with SQLDatabase("sqlite:///old.db") as db:
        db.create(Record({"id": "float", "price": 0.3}))
        db.create(Record({"id": "decimal", "price": Decimal("0.3")}))
    assert command("count", "old", "-w", "price = 0.3")[1] == "2\n"
    assert command("count", "old", "-w", 'price = {"$decimal": "0.3"}')[1] == "1\n"
    assert command("count", "old", "-w", 'price = {"$decimal": "x"}')[2].count("unreadable $decimal value") == 1


def test_the_group_alone_shows_its_help(command):
    code, out, err = command()
    assert (code, out) == (2, "")
    assert err.startswith("Usage: holdall records ") and {"query", "count", "export", "migrate"} <= {
        line.split()[0] for line in err.splitlines() if line.strip()
    }


def test_without_a_configuration(command, tmp_path):
    (tmp_path / "holdall.toml").unlink()
    code, _, err = command("count", "old")
    assert code == 2 and "no configuration" in err
    code, _, err = command("count", "old", "--config", "other.toml")
    assert code == 2 and "there is no configuration at other.toml" in err


def drawn_on(leader):
    """Return what is drawn on a terminal until nobody has it open any more."""
    drawn = b""
    try:
        while piece := os.read(leader, 65536):
            drawn += piece
    except OSError:  # Linux says so at the end
        pass
    os.close(leader)
    return drawn.decode()


def as_process(folder, *arguments, terminal):
    """Return what the command says, and what it draws where stderr is a terminal, or says there where it is a pipe."""
    call = [sys.executable, "-m", "holdall.cli", "records", *arguments]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    if not terminal:
        done = subprocess.run(call, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=True)
        return done.stdout, done.stderr
    leader, follower = pty.openpty()
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(drawn_on, leader)
        try:
            done = subprocess.run(
                call,
                cwd=folder,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=follower,
                text=True,
                timeout=120,
                check=True,
            )
        finally:
            os.close(follower)
        return done.stdout, reading.result(60)


@pytest.mark.parametrize(
    ("arguments", "said", "shown"),
    [
        (("migrate", "./old.db", "./new", "--batch-size", "300"), "1200 read, 1200 written\n", ["1200/1200", "/s"]),
        (("export", "./old.db", "out.jsonl"), "1200 records, ", ["1000/", "/s"]),
        (("count", "./old.db"), "1200\n", ["counting"]),
    ],
)
def test_a_terminal_gets_a_bar_and_a_pipe_gets_lines(tmp_path, arguments, said, shown):
    """Progress is drawn on stderr, where that is a terminal; what is said does not depend on it."""
    with SQLDatabase(f"sqlite:///{tmp_path}/old.db") as db:
        db.batch_create(Record({"id": f"r{i:04}", "n": i}) for i in range(1200))
    out, drawn = as_process(tmp_path, *arguments, terminal=True)
    assert out.startswith(said) and out.count("\n") == 1 and "\x1b" not in out
    assert all(word in drawn for word in ["records", *shown]), drawn
    again = [each.replace("./new", "./newer") for each in arguments]
    out, err = as_process(tmp_path, *again, terminal=False)
    assert out.startswith(said) and out.count("\n") == 1 and "\x1b" not in out
    assert err == ""


def test_nothing_is_drawn_between_records_or_when_quiet(tmp_path):
    """Records of a query come as they are found, and are all that is said, also on a terminal."""
    with SQLDatabase(f"sqlite:///{tmp_path}/old.db") as db:
        db.batch_create(Record({"id": f"r{i:04}", "n": i}) for i in range(1200))
    assert as_process(tmp_path, "migrate", "./old.db", "./new", "--quiet", terminal=True) == ("", "")
    out, drawn = as_process(tmp_path, "query", "./old.db", "--json", terminal=True)
    assert [json.loads(line)["fields"]["n"] for line in out.splitlines()] == list(range(1200))
    assert drawn == ""
