"""The arrays of a file by name, and our own word on a file that is none of its kind."""

from collections.abc import Callable, Iterator, Mapping


class NoFileOfItsKindError(ValueError):
    """Our own words on why a file is refused; what other libraries say is never passed on."""


class Parts(Mapping):
    """The arrays of a file by name, each read when it is asked for."""

    def __init__(self, readers: dict[str, Callable[[], object]]):
        self.readers = readers

    def __getitem__(self, name: str) -> object:
        return self.readers[name]()

    def __iter__(self) -> Iterator[str]:
        return iter(self.readers)

    def __len__(self) -> int:
        return len(self.readers)
