"""A papermill engine for notebooks that run side by side: ``papermill --engine sockets``."""

from tempfile import TemporaryDirectory
from typing import Any

from traitlets.config import Config


class SocketEngine:
    """papermill's own engine, whose kernels listen at files of their own instead of at ports.

    Jupyter chooses a kernel's ports, sets them free, and leaves it to the kernel to take them: of kernels that start at the
    same moment, now and then one finds that another was faster, and dies.

    papermill calls the three methods; each does what that of its ``NBClientEngine`` does, which it cannot inherit from:
    papermill's engines import this module in their turn.
    """

    @staticmethod
    def execute_notebook(*args: Any, **kwargs: Any) -> Any:
        """Execute, with a socket for each of the kernel's channels, in a folder that is removed afterwards."""
        from papermill.engines import NBClientEngine

        with TemporaryDirectory(prefix="kernel-") as folder:
            config = Config({"KernelManager": {"transport": "ipc", "ip": f"{folder}/socket"}})
            return NBClientEngine.execute_notebook(*args, config=config, **kwargs)

    @staticmethod
    def nb_kernel_name(*args: Any) -> str:
        """Name of the notebook's kernel."""
        from papermill.engines import NBClientEngine

        return NBClientEngine.nb_kernel_name(*args)

    @staticmethod
    def nb_language(*args: Any) -> str:
        """Language of the notebook."""
        from papermill.engines import NBClientEngine

        return NBClientEngine.nb_language(*args)
