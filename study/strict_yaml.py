"""YAML in which a key that is unknown, lacking or given twice is named with its line, and no tag makes an object."""

from pathlib import Path
from typing import Any

import yaml


class Mapping(dict):
    """A mapping that knows its line, and that of each key."""

    line: int
    lines: dict[Any, int]


class _Loader(yaml.SafeLoader):
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> Mapping:
        lines: dict[Any, int] = {}
        for key_node, _ in node.value:
            key, line = self.construct_object(key_node, deep=True), key_node.start_mark.line + 1
            if not isinstance(key, str):
                raise ValueError(f"line {line}: key {key!r}: expected a name")
            if key in lines:
                raise ValueError(f"line {line}: key '{key}' again, after line {lines[key]}")
            lines[key] = line
        found = Mapping(super().construct_mapping(node, deep=True))
        found.line, found.lines = node.start_mark.line + 1, lines
        return found

    def construct_yaml_map(self, node: yaml.MappingNode) -> Any:
        return self.construct_mapping(node)


_Loader.add_constructor("tag:yaml.org,2002:map", _Loader.construct_yaml_map)


def read(path: Path | str) -> Any:
    """What a YAML file holds; mappings are `Mapping`.

    Raises
    ------
    ValueError
        Not YAML, or a key that occurs twice: one line that names the file and the line in it.
    """
    try:
        return yaml.load(Path(path).read_text(encoding="utf-8"), Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise ValueError(f"{path}, line {mark.line + 1 if mark else '?'}: {error.problem or error.context}") from None
    except yaml.YAMLError as error:
        raise ValueError(f"{path}: {' '.join(str(error).split())}") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: byte {error.start} is not UTF-8") from None
    except RecursionError:
        raise ValueError(f"{path}: nested too deep") from None
    except ValueError as error:
        raise ValueError(f"{path}, {error}") from None


def check(path: Path | str, what: str, found: Any, kinds: dict[str, type], needed: set[str]) -> None:
    """Raise ValueError unless `found` is a mapping of these keys, with values of their kinds, and all the needed ones."""
    if not isinstance(found, Mapping):
        raise ValueError(f"{path}: {what} is {found!r}: expected keys {', '.join(kinds)}")
    for key, value in found.items():
        if key not in kinds:
            raise ValueError(f"{path}, line {found.lines[key]}: unknown key '{key}' of {what}: expected {', '.join(kinds)}")
        kind = kinds[key]
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            said = {dict: "a mapping", list: "a list", str: "a text", int: "a whole number"}[kind]
            raise ValueError(f"{path}, line {found.lines[key]}: {key}={value!r}: expected {said}")
    if lacking := sorted(needed - set(found)):
        raise ValueError(f"{path}, line {found.line}: {what} lacks the key '{lacking[0]}'")
