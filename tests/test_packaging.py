"""One list of dependencies: pyproject.toml, environment.yml and constraints.txt agree."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import imgrec_lab

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
EXTRAS = PROJECT["project"]["optional-dependencies"]

# What conda-forge calls otherwise, and which parts of pyproject.toml its users get.
CONDA_NAMES = {"torch": "pytorch", "matplotlib": "matplotlib-base"}
CONDA_EXTRAS = ("lab", "metrics", "dev")
TESTED_EXTRAS = (*CONDA_EXTRAS, "browser")


def listed(*extras: str) -> dict[str, str]:
    """Names with their ranges, from the core and ``extras`` of pyproject.toml."""
    lines = PROJECT["project"]["dependencies"] + [line for name in extras for line in EXTRAS[name]]
    return {line.name: str(line.specifier) for line in map(Requirement, lines)}


def conda_lines() -> dict[str, str]:
    """Names with their ranges from environment.yml, a plain list under ``dependencies:``."""
    text = (ROOT / "environment.yml").read_text("utf-8").partition("\ndependencies:\n")[2]
    lines = re.findall(r"^  - (.+)$", text, flags=re.MULTILINE)
    assert len(lines) == sum(not line.lstrip().startswith("#") for line in text.splitlines())
    return {line.name: str(line.specifier) for line in map(Requirement, lines)}


def constraints() -> dict[str, str]:
    """Names with their exact versions from constraints.txt."""
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    plain = [line for line in lines if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", line) for line in plain), "names and versions only"
    return {canonicalize_name(name): version for name, version in (x.split("==") for x in plain)}


def test_environment_and_pyproject_name_the_same_packages_in_the_same_ranges():
    expected = {CONDA_NAMES.get(name, name): text for name, text in listed(*CONDA_EXTRAS).items()}
    expected["python"] = PROJECT["project"]["requires-python"]
    found = conda_lines()
    assert found.pop("pip") == ""
    assert found == expected


def test_dev_is_the_same_list_as_group_and_as_extra():
    assert PROJECT["dependency-groups"]["dev"] == EXTRAS["dev"]


def test_version_stands_once():
    assert PROJECT["project"]["version"] == imgrec_lab.__version__


def test_every_tested_dependency_has_its_version_and_it_lies_in_the_range():
    versions = constraints()
    for name, specifier in listed(*TESTED_EXTRAS).items():
        version = versions.get(canonicalize_name(name))
        assert version, f"{name} is missing in constraints.txt"
        assert Requirement(f"{name}{specifier}").specifier.contains(version, prereleases=True), name


def test_constraints_leave_cuda_to_torch():
    assert not [name for name in constraints() if name.startswith(("nvidia", "cuda", "triton"))]


@pytest.mark.parametrize("name", ["torch", "torchvision"])
def test_torch_has_no_upper_bound(name: str):
    assert "<" not in listed()[name]


def test_what_must_not_be_listed_is_not_listed():
    names = set(listed(*EXTRAS))
    forbidden = {"lightning", "accelerate", "kornia", "fvcore", "torchinfo", "ipympl"}
    assert not names & forbidden
    assert not [name for name in names if name.startswith("opencv")]
    assert "jupyterlab" not in listed()


def test_no_option_of_nbval_stands_where_pytest_would_refuse_it():
    assert "nbval" not in PROJECT["tool"]["pytest"]["ini_options"]["addopts"]


def test_the_command_exists():
    module, _, function = PROJECT["project"]["scripts"]["imgrec-lab"].partition(":")
    assert callable(getattr(__import__(module, fromlist=[function]), function))


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "results/README.md"])
def test_files_that_are_named_in_prose_are_there(name: str):
    text = (ROOT / name).read_text("utf-8")
    named = set(
        re.findall(r"(?<![/\w])(?:imgrec_lab|tests|notebooks|results|datasets)/[\w/.-]*\w", text)
    )
    assert len(named) > 1
    assert {path for path in named if not (ROOT / path).exists()} <= {"datasets/cache"}
