"""The lock, environment.yml and pyproject.toml say the same."""

import re
import tomllib
from pathlib import Path

import yaml

from cvig.extras import EXTRAS

ROOT = Path(__file__).parents[2]


def locked() -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9._-]+)==([^\s;\\]+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE))


def declared() -> dict[str, str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = project["dependencies"] + [line for extra in project["optional-dependencies"].values() for line in extra]
    return dict(re.match(r"([A-Za-z0-9._-]+)(.*)", line).groups() for line in lines)


def test_a_missing_package_is_looked_for_in_the_extra_that_has_it():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    names = {"PIL": "pillow", "sklearn": "scikit-learn"}
    for module, extra in EXTRAS.items():
        assert names.get(module, module) in {re.match(r"[A-Za-z0-9._-]+", line)[0] for line in extras[extra]}


def conda() -> dict[str, str]:
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    pip = next(entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict))
    return dict(line.split("==") for line in pip if "==" in line)


def test_environment_has_the_locked_version_of_every_declared_dependency():
    assert conda() == {name: locked()[name] for name in declared()}


def test_locked_versions_satisfy_the_declared_ranges():
    from packaging.specifiers import SpecifierSet

    outside = [name for name, span in declared().items() if locked()[name] not in SpecifierSet(span)]
    assert not outside


def test_every_locked_file_has_a_hash():
    blocks = re.split(r"\n(?=[a-z0-9._-]+==)", (ROOT / "requirements.lock").read_text())
    assert all("--hash=sha256:" in block for block in blocks[1:])
