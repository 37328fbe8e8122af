"""Nodes against a model: whatever is done to files of a memory mount and a local one, both hold what a dict would hold."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Iterator

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from holdall import StorageManager, StorageNode

FILES = st.sampled_from(["a.txt", "d/b.txt", "d/e/c.txt", "d/ü %2F.txt", "f/a.txt"])
FOLDERS = st.sampled_from(["d", "d/e", "f", "g"])
TEXTS = st.text(max_size=20)
COLOURS = st.booleans()
KINDS = ("ram", "disk")


class Nodes(RuleBasedStateMachine):
    """Files by path; directories exist as long as something is in them."""

    def __init__(self) -> None:
        super().__init__()
        self.root = tempfile.mkdtemp(prefix="holdall-machine-")
        self.storage = StorageManager({"ram": {"type": "memory"}, "disk": {"type": "local", "path": self.root}})
        self.model: dict[str, str] = {}

    def teardown(self) -> None:
        self.storage.close()
        shutil.rmtree(self.root)

    def both(self, path: str) -> Iterator[StorageNode]:
        for kind in KINDS:
            yield self.storage.node(kind, path)

    def below(self, folder: str) -> dict[str, str]:
        return {path: text for path, text in self.model.items() if path.startswith(f"{folder}/")}

    @rule(path=FILES, text=TEXTS, asynchronous=COLOURS)
    def write(self, path: str, text: str, asynchronous: bool) -> None:
        changed = self.model.get(path) != text
        for node in self.both(path):
            given = {"skip_if_unchanged": True}
            wrote = asyncio.run(node.write_async(text, **given)) if asynchronous else node.write(text, **given)
            assert wrote == changed
        self.model[path] = text

    @rule(path=FILES, text=TEXTS)
    def append(self, path: str, text: str) -> None:
        for node in self.both(path):
            with node.open("a") as file:
                file.write(text)
        self.model[path] = self.model.get(path, "") + text

    @rule(path=FILES, text=TEXTS)
    def create(self, path: str, text: str) -> None:
        for node in self.both(path):
            try:
                node.put(text.encode(), mode="create")
                made = True
            except FileExistsError:
                made = False
            assert made == (path not in self.model)
        self.model.setdefault(path, text)

    @rule(path=FILES)
    def delete(self, path: str) -> None:
        for node in self.both(path):
            node.delete()
        self.model.pop(path, None)

    @rule(folder=FOLDERS)
    def delete_folder(self, folder: str) -> None:
        for node in self.both(folder):
            node.delete()
        for path in self.below(folder):
            del self.model[path]

    @rule(source=FILES, other=FILES, moving=st.booleans(), asynchronous=COLOURS)
    def carry(self, source: str, other: str, moving: bool, asynchronous: bool) -> None:
        if source == other:
            return
        for node in self.both(source):
            name = "move_to" if moving else "copy_to"
            place = self.storage.node(node.mount_name, other)
            try:
                new = asyncio.run(getattr(node, f"{name}_async")(place)) if asynchronous else getattr(node, name)(place)
                assert new == place
            except FileNotFoundError:
                assert source not in self.model
        if source in self.model:
            self.model[other] = self.model.pop(source) if moving else self.model[source]

    @rule(source=FILES, other=FILES)
    def rename(self, source: str, other: str) -> None:
        for node in self.both(source):
            try:
                assert node.rename(self.storage.node(node.mount_name, other)).path == other
                assert source in self.model and (other not in self.model or source == other)
            except FileNotFoundError:
                assert source not in self.model
            except FileExistsError:
                assert other in self.model
        if source in self.model and other not in self.model:
            self.model[other] = self.model.pop(source)

    @rule(source=FOLDERS)
    def copy_folder(self, source: str) -> None:
        found = self.below(source)
        for node in self.both(source):
            try:
                node.copy_to(self.storage.node(node.mount_name, "g"))
            except FileNotFoundError:
                assert not found
            except ValueError:
                assert source == "g"
        if source != "g":
            self.model.update({f"g/{path.removeprefix(f'{source}/')}": text for path, text in found.items()})

    @rule(delete=st.booleans())
    def sync(self, delete: bool) -> None:
        report = self.storage.sync("ram:", "disk:", compare="hash", delete=delete, allow_empty=True)
        assert (report.copied, report.failed) == (0, 0)  # what it may delete are directories that became empty

    @invariant()
    def both_hold_the_model(self) -> None:
        for kind in KINDS:
            top = self.storage.node(kind)
            files = {node.path: node.read() for node in top.rglob("*") if node.info is not None and node.info.is_file()}
            assert files == self.model, kind
            for path, text in self.model.items():
                node = self.storage.node(kind, path)
                assert (node.exists, node.isfile, node.isdir, node.size) == (True, True, False, len(text.encode()))
            for folder in ("d", "d/e", "f", "g"):
                if self.below(folder):
                    assert self.storage.node(kind, folder).isdir


Nodes.TestCase.settings = settings(
    max_examples=15,
    stateful_step_count=15,
    deadline=None,
    derandomize=True,
    phases=(Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink),
)
TestNodes = Nodes.TestCase
