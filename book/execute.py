"""Execute the pages side by side, into the cache that the book's build reads: python book/execute.py book/_build [KERNELS]

The build alone executes one page after another, and takes a page from an earlier build where its code is the same, whatever
the results are that it reads. Here all pages are executed anew. Kernels listen at files instead of at ports.
"""

import os
import shutil
import sys
import time
from multiprocessing.pool import ThreadPool
from pathlib import Path

import yaml
from check import pages
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn
from jupyter_cache.executors.utils import ExecutionResult, single_nb_execution
from myst_nb.core.read import is_myst_markdown_notebook, read_myst_markdown_notebook
from traitlets.config import Config

from cvig.locks import meeting_folder

TOP = Path(__file__).resolve().parent.parent
TIMEOUT = yaml.safe_load((TOP / "_config.yml").read_text())["execute"]["timeout"]


def execute(page: Path) -> tuple[Path, ExecutionResult]:
    """Execute one page in a kernel of its own."""
    notebook = read_myst_markdown_notebook(page.read_text(), add_source_map=True, path=str(page))
    with meeting_folder("kernel") as folder:
        config = Config({"KernelManager": {"transport": "ipc", "ip": f"{folder}/socket"}})
        return page, single_nb_execution(notebook, str(page.parent), TIMEOUT, allow_errors=False, config=config)


def main(build: Path, kernels: int) -> None:
    """Execute every page of the table of contents that has cells; the first that fails ends the program."""
    os.environ["OMP_NUM_THREADS"] = "1"  # kernels share the processor
    # Sphinx, too, would take a page from an earlier build where its source is the same, whatever its cells now show
    for earlier in (".jupyter_cache", ".doctrees"):
        shutil.rmtree(build / earlier, ignore_errors=True)
    cache = get_cache(build / ".jupyter_cache")
    listed = (TOP / "book" / f"{name}.md" for name in sorted(pages(yaml.safe_load((TOP / "_toc.yml").read_text()))))
    executable = [page for page in listed if is_myst_markdown_notebook(page.read_text())]
    started = time.monotonic()
    with ThreadPool(kernels) as pool:
        for done, (page, result) in enumerate(pool.imap_unordered(execute, executable), start=1):
            if result.err is not None:
                sys.exit(f"{page.relative_to(TOP)}: {result.exc_string}")
            bundle = CacheBundleIn(result.nb, str(page), data={"execution_seconds": result.time})
            cache.cache_notebook_bundle(bundle, check_validity=False, overwrite=True)
            left = (time.monotonic() - started) / done * (len(executable) - done)
            more = f"; about {left / 60:.0f} min left" if left > 90 else f"; about {left:.0f} s left" if left else ""
            print(f"page {done} of {len(executable)}: {page.stem}, {result.time:.0f} s{more}", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1)
