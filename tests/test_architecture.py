"""Imports run in one direction, modules keep to their size, and importing does no work.

A room is a module, or a folder where one module would be too long; inside a room any module may
import any other as long as there is no ring. A new room is entered in ROOMS and MAY_IMPORT.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "imgrec_lab"
MOST_LINES = 320

# A room is a module or a folder of the package; some hold a second name.
ROOMS: dict[str, set[str]] = {
    "runtime": {"runtime"},
    "processes": {"processes"},
    "atomic_files": {"atomic_files"},
    "box_ops": {"box_ops"},
    "models": {"models"},
    "train": {"train", "history"},
    "scenes": {"scenes"},
    "datasets": {"datasets"},
    "annotations": {"annotations"},
    "audit": {"audit"},
    "augment": {"augment"},
    "metrics": {"metrics"},
    "detect": {"detect"},
    "tune": {"tune"},
    "bench": {"bench"},
    "explain": {"explain"},
    "plots": {"plots"},
    "widgets": {"widgets"},
    "checks": {"checks", "exercises"},
    "course": {"course"},
}

# What a room may import besides itself. "Anything above" of the house's table is spelled out
# below: the last three see every room, and nothing sees them.
MAY_IMPORT: dict[str, set[str]] = {
    "runtime": set(),
    "processes": {"runtime"},
    "atomic_files": set(),
    "box_ops": set(),
    "models": set(),
    "train": {"runtime", "processes", "atomic_files", "augment"},
    "scenes": {"box_ops"},
    "datasets": {"runtime", "processes", "atomic_files", "scenes", "annotations", "box_ops"},
    "annotations": {"box_ops", "atomic_files"},
    "audit": {"datasets", "annotations", "atomic_files", "runtime", "models", "train"},
    "augment": {"box_ops", "atomic_files"},
    "metrics": {"box_ops"},
    "detect": {"box_ops", "models", "metrics", "runtime"},
    "tune": {"train"},
    "bench": {"runtime", "models", "atomic_files"},
    "explain": {"models"},
    "plots": {"metrics"},  # intervals are computed in one place
}
TOP = ("widgets", "checks", "course")
for _number, _room in enumerate(TOP):
    MAY_IMPORT[_room] = set(ROOMS) - set(TOP[_number:])

HEAVY = (
    "torch",
    "numpy",
    "PIL",
    "matplotlib",
    "ipywidgets",
    "sklearn",
    "albumentations",
    "IPython",
)


def modules() -> dict[str, Path]:
    """Dotted names below the package, with their files."""
    paths = sorted(PACKAGE.rglob("*.py"))
    return {_dotted(path.relative_to(PACKAGE)): path for path in paths}


def _dotted(path: Path) -> str:
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__").replace("__init__", "")


def imports_of(source: str, known: set[str], *, for_types: bool = True) -> set[str]:
    """Names of our own modules that ``source`` imports, at the top or inside a function.

    Imports under ``if TYPE_CHECKING`` are never run: they are arrows, but cannot close a ring.
    """
    found = set()
    for node in _nodes(ast.parse(source), for_types):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: write `from imgrec_lab import ...`"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    ours = {name.removeprefix("imgrec_lab.") for name in found if name.startswith("imgrec_lab.")}
    return {_module_of(name, known) for name in ours} - {""}


def _nodes(node: ast.AST, for_types: bool) -> Iterator[ast.AST]:
    yield node
    if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
        children = node.body if for_types else []
    else:
        children = ast.iter_child_nodes(node)
    for child in children:
        yield from _nodes(child, for_types)


def _module_of(name: str, known: set[str]) -> str:
    """The module that a dotted name lies in: ``train.fit`` lies in ``train``."""
    while name and name not in known:
        name = name.rpartition(".")[0]
    return name


def room_of(module: str) -> str:
    """The room of a module; a module without one has no place in the house yet.

    What ``python -m`` runs is a command, and commands belong to ``course``.
    """
    top = "course" if module.endswith("__main__") else module.partition(".")[0]
    homes = [room for room, names in ROOMS.items() if top in names]
    assert len(homes) == 1, f"{module} must stand in exactly one room of ROOMS; it is in {homes}"
    return homes[0]


def graph(*, for_types: bool = True) -> dict[str, set[str]]:
    """Which module imports which, the package's own docstring module left out."""
    files = {name: path for name, path in modules().items() if name}
    return {
        name: imports_of(path.read_text("utf-8"), set(files), for_types=for_types)
        for name, path in files.items()
    }


def back_arrows(arrows: dict[str, set[str]]) -> list[str]:
    """Imports that the table does not allow."""
    return [
        f"{module} ({room_of(module)}) may not import {target} ({room_of(target)})"
        for module, targets in sorted(arrows.items())
        for target in sorted(targets)
        if room_of(target) not in {room_of(module), *MAY_IMPORT[room_of(module)]}
    ]


def ring(arrows: dict[str, set[str]]) -> list[str]:
    """One ring of imports as a path, or [] where there is none."""
    left = {module: set(targets) - {module} for module, targets in arrows.items()}
    while free := [module for module, targets in left.items() if not targets & set(left)]:
        for module in free:
            del left[module]
    if not left:
        return []
    path = [min(left)]
    while len(set(path)) == len(path):
        path.append(min(left[path[-1]] & set(left)))
    return path[path.index(path[-1]) :]


def test_no_arrow_runs_back():
    assert back_arrows(graph()) == []


def test_no_ring():
    assert ring(graph(for_types=False)) == []


def test_the_reader_sees_every_kind_of_import():
    source = """
import imgrec_lab.models
from imgrec_lab import runtime, __version__
from imgrec_lab.train import fit
def late():
    from imgrec_lab.exercises import fundamentals
import torch
if TYPE_CHECKING:
    from imgrec_lab.history import History
"""
    known = {"models", "runtime", "train", "exercises.fundamentals", "history"}
    assert imports_of(source, known | {"exercises"}) == known
    assert imports_of(source, known, for_types=False) == known - {"history"}
    with pytest.raises(AssertionError, match="line 1: write `from imgrec_lab import"):
        imports_of("from . import train", known)


def test_a_back_arrow_and_a_ring_are_found():
    assert back_arrows({"models": {"train"}}) == ["models (models) may not import train (train)"]
    assert back_arrows({"train": {"widgets"}}) and back_arrows({"plots": {"box_ops"}})
    assert back_arrows({"widgets": {"checks"}}) and back_arrows({"checks": {"course"}})
    assert back_arrows({"checks": {"widgets", "plots"}, "course": {"train"}}) == []
    assert ring({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}) == ["b", "c", "b"]
    assert ring({"a": {"b"}, "b": {"c"}, "c": set()}) == []
    with pytest.raises(AssertionError, match="must stand in exactly one room"):
        room_of("utilities")


def test_every_room_has_its_arrows_and_every_module_one_room():
    assert set(MAY_IMPORT) == set(ROOMS)
    assert {room_of(name) for name in modules() if name} <= set(ROOMS)


def test_there_is_no_drawer_for_everything():
    drawers = {"utils", "util", "helpers", "common", "misc"}
    assert not drawers & {name.rpartition(".")[2] for name in modules()}


@pytest.mark.parametrize("name", [name for name in modules() if name])
def test_a_module_can_be_read_in_one_sitting(name: str):
    lines = len(modules()[name].read_text("utf-8").splitlines())
    assert lines <= MOST_LINES, f"{name} has {lines} lines: give part of it a module of its own"


@pytest.mark.parametrize("name", ["imgrec_lab", "imgrec_lab.course.lessons", "imgrec_lab.course"])
def test_importing_loads_nothing_heavy(name: str):
    code = f"import sys, {name}; print(*(heavy for heavy in {HEAVY} if heavy in sys.modules))"
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert found.stdout.split() == []
