"""Trees on local disk with links to directories elsewhere below the root: deleting them leaves what the links lead to."""

import asyncio

import pytest

from holdall import StorageManager

pytestmark = pytest.mark.skipif("sys.platform == 'win32'", reason="links need a privilege there")


@pytest.fixture
def root(tmp_path):
    """``keep`` holds a file; ``tree`` has a file, a link to ``keep``, a link to a file in it and one to an empty directory."""
    (tmp_path / "keep/deep").mkdir(parents=True)
    (tmp_path / "keep/a").write_text("a")
    (tmp_path / "keep/deep/b").write_text("b")
    (tmp_path / "empty").mkdir()
    (tmp_path / "tree/sub").mkdir(parents=True)
    (tmp_path / "tree/own").write_text("own")
    (tmp_path / "tree/sub/link").symlink_to("../../keep")
    (tmp_path / "tree/file").symlink_to("../keep/a")
    (tmp_path / "tree/none").symlink_to("../empty")
    (tmp_path / "top").symlink_to("tree/sub/link")
    return tmp_path


def node(root, path):
    manager = StorageManager()
    manager.configure({"disk": {"type": "local", "path": str(root)}})
    return manager.node(f"disk:{path}")


def kept(root):
    return (root / "keep/a").read_text() + (root / "keep/deep/b").read_text() == "ab" and (root / "empty").is_dir()


def delete(found, colour):
    if colour == "async":
        asyncio.run(found.delete_async())
    else:
        found.delete()


@pytest.mark.parametrize("colour", ["blocking", "async"])
def test_deleting_a_tree_leaves_what_its_links_lead_to(root, colour, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside")
    (outside / "file").touch()
    (root / "tree/sub/nowhere").symlink_to("nothing")  # what no listing shows
    (root / "tree/sub/out").symlink_to(outside)
    (root / "tree/round").symlink_to("../tree")
    delete(node(root, "tree"), colour)
    assert not (root / "tree").exists()
    assert kept(root)
    assert (outside / "file").exists()


@pytest.mark.parametrize("colour", ["blocking", "async"])
def test_deleting_a_link_leaves_what_it_leads_to(root, colour):
    delete(node(root, "top"), colour)
    assert not (root / "top").is_symlink()
    assert kept(root)
    assert (root / "tree/sub/link").is_symlink()


def test_deleting_behind_a_link_when_told_so(root):
    node(root, "top/deep").delete()
    assert not (root / "keep/deep").exists()
    assert (root / "keep/a").exists()


def act(node, verb, *args, colour, **options):
    if colour == "async":
        return asyncio.run(getattr(node, f"{verb}_async")(*args, **options))
    return getattr(node, verb)(*args, **options)


@pytest.fixture(params=["memory", "another root"])
def away(request, root, tmp_path_factory):
    """Somewhere to move to, by copies or by renames."""
    manager = StorageManager()
    there = (
        {"type": "memory"} if request.param == "memory" else {"type": "local", "path": str(tmp_path_factory.mktemp("away"))}
    )
    manager.configure({"disk": {"type": "local", "path": str(root)}, "away": there})
    return manager


@pytest.mark.parametrize("colour", ["blocking", "async"])
def test_moving_a_tree_leaves_what_its_links_lead_to(root, away, colour):
    (root / "tree/none").unlink()  # memory has no empty directories
    away.node("away:there/old").write_text("")  # so that it is not moved by one rename
    act(away.node("disk:tree"), "move_to", away.node("away:there"), colour=colour)
    assert not (root / "tree").exists()
    assert kept(root)
    assert away.node("away:there/sub/link/deep/b").read_text() == "b"


@pytest.mark.parametrize("colour", ["blocking", "async"])
def test_moving_a_link_leaves_what_it_leads_to(root, away, colour):
    away.node("away:there/old").write_text("")
    act(away.node("disk:top"), "move_to", away.node("away:there"), colour=colour)
    assert not (root / "top").is_symlink()
    assert kept(root)
    assert away.node("away:there/deep/b").read_text() == "b"


def test_a_link_stays_if_not_all_behind_it_was_moved(root, away):
    away.node("disk:tree").move_to("away:there", include=["*/a"])
    assert (root / "tree/sub/link").is_symlink()
    assert kept(root)


@pytest.mark.parametrize("colour", ["blocking", "async"])
def test_sync_deletes_links_and_not_what_they_lead_to(root, away, colour):
    away.node("away:source/own").write_text("new")
    act(away.node("away:source"), "sync_to", away.node("disk:tree"), delete=True, colour=colour)
    assert sorted(path.name for path in (root / "tree").iterdir()) == ["own"]
    assert kept(root)


def test_sync_keeps_what_is_reached_through_a_link_that_it_uses(root, away):
    away.node("away:source/sub/link/a").write_text("a")
    report = away.node("away:source").sync_to("disk:tree", delete=True)
    assert report.deleted == 3  # own, file, none
    assert (root / "tree/sub/link").is_symlink()
    assert kept(root)


def test_sync_into_a_link_is_a_sync_of_what_it_leads_to(root, away):
    away.node("away:source/a").write_text("a")
    away.node("away:source").sync_to("disk:top", delete=True)
    assert (root / "top").is_symlink()
    assert not (root / "keep/deep").exists()
    assert (root / "keep/a").read_text() == "a"
