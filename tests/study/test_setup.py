"""Setting up: a working environment is never given up for one that is not there yet. Nothing is downloaded here."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# an interpreter that answers as Python does, and makes environments whose programs only note what they are asked
INTERPRETER = f"""#!/bin/sh
case "$1 $2" in
"-m venv")
  mkdir -p "$3/bin"
  printf '#!/bin/sh\\n[ -e broken ] && [ "$(cat broken)" = "$1 $2" ] && exit 1\\nexit 0\\n' > "$3/bin/python"
  printf '#!/bin/sh\\n[ -e broken ] && [ "$(cat broken)" = "$1 $2" ] && exit 1\\nexit 0\\n' > "$3/bin/uv"
  chmod +x "$3/bin/python" "$3/bin/uv" ;;
*)
  case "$2" in
  *_base_executable*) echo "$0"; exit 0 ;;
  *os.replace*) [ -e "no rename" ] && exit 1 ;;
  esac
  exec {sys.executable} "$@" ;;
esac
"""


@pytest.fixture
def tree(tmp_path):
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "requirements.lock").write_text("nothing==1\n")
    (tmp_path / "bin").mkdir()
    program(tmp_path / "bin" / "python3", INTERPRETER)
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "works").write_text("")
    program(tmp_path / ".venv" / "bin" / "python3", "#!/bin/sh\necho the old environment was asked >&2\nexit 9\n")
    return tmp_path


def program(path, text):
    path.write_text(text)
    path.chmod(0o755)


def setup(tree, *words):
    environment = {"PATH": f"{tree / 'bin'}:/usr/bin:/bin", "HOME": str(tree)}
    return subprocess.run(["make", "setup", *words], cwd=tree, env=environment, capture_output=True, text=True)


@pytest.mark.parametrize("broken", ["-m pip", "pip install"])
def test_without_a_network_the_old_environment_stays(tree, broken):
    (tree / "broken").write_text(broken)
    done = setup(tree)
    assert done.returncode
    assert (tree / ".venv" / "works").exists()
    (tree / "broken").unlink()  # the network is back: the same command
    assert setup(tree).returncode == 0
    assert (tree / ".venv" / ".complete").exists()


def test_a_complete_environment_takes_the_place_of_the_old_one_and_stays(tree):
    done = setup(tree)
    assert done.returncode == 0, done.stderr
    assert (tree / ".venv").is_symlink()
    first = os.readlink(tree / ".venv")
    assert sorted(path.name for path in tree.glob(".venv*")) == [".venv", first]
    assert (
        setup(tree).stdout.strip() == "make: Nothing to be done for 'setup'." or "some gigabytes" not in setup(tree).stdout
    )
    (tree / "requirements.lock").write_text("nothing==2\n")
    os.utime(tree / "requirements.lock", (2**31, 2**31))
    assert setup(tree).returncode == 0
    assert os.readlink(tree / ".venv") != first
    assert sorted(path.name for path in tree.glob(".venv*")) == [".venv", os.readlink(tree / ".venv")]


@pytest.mark.parametrize("fails", ["the link", "the renaming"])
def test_what_fails_at_the_last_moment_leaves_the_old_environment(tree, fails):
    if fails == "the link":
        program(tree / "bin" / "ln", "#!/bin/sh\nexit 1\n")
    else:
        (tree / "no rename").write_text("")
    assert setup(tree).returncode
    assert (tree / ".venv" / "works").exists()
    (tree / "bin" / "ln").unlink(missing_ok=True)
    (tree / "no rename").unlink(missing_ok=True)
    assert setup(tree).returncode == 0
    assert sorted(path.name for path in tree.glob(".venv*")) == [".venv", os.readlink(tree / ".venv")]


def test_killed_while_the_old_environment_is_moved_it_is_still_there(tree):
    program(tree / "bin" / "mv", '#!/bin/sh\n/bin/mv "$@"\nkill -9 $PPID\n')
    assert setup(tree).returncode
    (kept,) = tree.glob(".venv*/works")
    assert kept.parent.name.startswith(".venv-before-")


def test_another_environment_of_the_users_stays(tree):
    for name in (".venv-mine", ".venv-3.13"):
        (tree / name).mkdir()
    assert setup(tree).returncode == 0
    assert {".venv-mine", ".venv-3.13"} < {path.name for path in tree.glob(".venv*")}


def test_the_interpreter_is_the_one_named_and_is_asked_itself(tree):
    program(tree / "bin" / "python2.7", f"#!/bin/sh\nexec {sys.executable} -c 'import sys; sys.exit(\"is 2.7\")'\n")
    done = setup(tree, "PYTHON=python2.7")
    assert done.returncode
    assert "is 2.7" in done.stderr
    done = setup(tree, "PYTHON=python9")
    assert "no interpreter 'python9'; name another one" in done.stderr
    assert (tree / ".venv" / "works").exists()
    assert "the old environment was asked" not in setup(tree).stderr
    text = (tree / "Makefile").read_text()
    assert 'f"' not in text.split("requirements.lock pyproject.toml\n")[1].split("book: setup")[0]  # Python 2 reads it too
