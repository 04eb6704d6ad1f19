"""A working tree holds the library and the study; a wheel holds the library alone."""

from setuptools import setup
from setuptools.command.bdist_wheel import bdist_wheel


class LibraryWheel(bdist_wheel):
    """A wheel of `cvig`."""

    def run(self) -> None:
        """Leave the study out."""
        self.distribution.packages = [name for name in self.distribution.packages if name.split(".")[0] == "cvig"]
        super().run()


setup(cmdclass={"bdist_wheel": LibraryWheel})
