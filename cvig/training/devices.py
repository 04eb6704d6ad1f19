"""The device and the precision of a run: training, evaluation and the filter choose them here."""

import contextlib
import os
import platform
import re
from pathlib import Path

import torch


def choose_device(device: str) -> str:
    """``"auto"`` is a CUDA device where there is one, else the CPU; asking for an absent one is an error."""
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise ValueError("device 'cuda' was asked for, but torch finds no CUDA device here")
    return device


def computes_bf16(device: str) -> bool:
    """Whether a ``"cpu"`` or ``"cuda"`` device here computes in bfloat16; one that imitates it is several times slower."""
    if device == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    # before torch 2.6 nobody says, and "32" is right everywhere
    can = getattr(torch.cpu, "get_capabilities", dict)()  # the first is what x86 calls it, the second ARM
    return torch.backends.mkldnn.is_available() and bool(can.get("avx512_bf16") or can.get("bf16"))


def choose_precision(precision: str, device: str) -> str:
    """``"auto"`` is ``"bf16"`` where `device` computes in it, else ``"32"``; anything else stays as asked."""
    if precision == "auto":
        return "bf16" if computes_bf16(device) else "32"
    return precision


def model(device: str) -> str:
    """What a result's provenance says of the device: ``"cpu"``, or the model of the GPU."""
    return torch.cuda.get_device_name() if device == "cuda" else device


def processor() -> str:
    """This machine's processor and the instructions that torch uses of it: who adds with others rounds otherwise."""
    with contextlib.suppress(OSError):
        if found := re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE):
            return f"{found[1].strip()}, {torch.backends.cpu.get_cpu_capability()}"
    return f"{platform.processor() or platform.machine()}, {torch.backends.cpu.get_cpu_capability()}"


def set_up(device: str, threads: int) -> str:
    """Choose the device, set torch's CPU threads and ask it for determinism, as every notebook run does; give the device."""
    chosen = choose_device(device)
    torch.set_num_threads(threads)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it a GPU's products vary from run to run
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # nothing here reads such memory, and filling takes time
    # TF32, the default, is not what "32" promises
    if hasattr(torch.backends.cudnn, "conv"):
        torch.backends.cudnn.conv.fp32_precision = "ieee"
    else:  # before torch 2.9
        torch.backends.cudnn.allow_tf32 = False
    return chosen
