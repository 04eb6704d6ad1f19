"""What `import cvig` gives, at what price, and what it says where an extra is not installed."""

import json
import subprocess
import sys

import pytest

import cvig
from cvig.extras import EXTRAS

WITHOUT = """
import sys
class Missing:
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] in {extras}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Missing)
"""
HEAVY = ("numpy", "pandas", "scipy", "typer", *EXTRAS)


def python(code: str, *words: str) -> subprocess.CompletedProcess:
    """A Python of its own, in which nothing is imported yet."""
    return subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True)


def without_extras(code: str, *words: str) -> subprocess.CompletedProcess:
    """The same in an environment that has the core alone."""
    return python(WITHOUT.format(extras=set(EXTRAS)) + code, *words)


def test_the_front_door_imports_none_of_what_is_behind_it():
    done = python("import cvig, json, sys; print(json.dumps([*sys.modules]))")
    assert not set(HEAVY) & set(json.loads(done.stdout))


@pytest.mark.parametrize("name", cvig.__all__)
def test_what_the_front_door_has_says_how_it_is_used(name):
    assert name in dir(cvig)
    assert ">>>" in getattr(cvig, name).__doc__


def test_the_front_door_has_nothing_else():
    with pytest.raises(AttributeError, match="module 'cvig' has no attribute 'rank'"):
        cvig.rank  # noqa: B018


@pytest.mark.parametrize("name", ["load_data", "load_network"])
def test_an_attribute_whose_extra_is_missing_names_it(name):
    done = without_extras(f"import cvig; cvig.{name}")
    last = done.stderr.splitlines()[-1]
    assert last == f"ModuleNotFoundError: cvig.{name} needs torch, which is not installed: pip install 'cvig[train]'"


@pytest.mark.parametrize("words", [("check", "cvusa", "folder"), ("label", "folder"), ("world", "folder")])
def test_a_command_whose_extra_is_missing_names_it_in_one_line(words, tmp_path):
    done = without_extras("from cvig.cli import main; main()", *words)
    assert done.returncode == 2
    assert done.stderr.startswith(f"cvig: cvig {words[0]} needs ")
    assert done.stderr.endswith("pip install 'cvig[train]'\n")
    assert done.stderr.count("\n") == 1
