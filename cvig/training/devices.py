"""Choosing the device and the precision of training, evaluation and the filter."""

import contextlib
import os
import platform
import re
from pathlib import Path

import torch


def choose_device(device: str) -> str:
    """``"cuda"`` or ``"cpu"``; ``"auto"`` takes CUDA if there is a device. ValueError if ``"cuda"`` is asked for in vain."""
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise ValueError("device 'cuda' was asked for, but torch finds no CUDA device here")
    return device


def computes_bf16(device: str) -> bool:
    """Whether this ``"cpu"`` or ``"cuda"`` device has bfloat16 instructions; emulating them is several times slower."""
    if device == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    # torch before 2.6 does not tell; the answer is then no, which is right on every processor
    can = getattr(torch.cpu, "get_capabilities", dict)()  # x86 calls the instructions avx512_bf16, ARM bf16
    return torch.backends.mkldnn.is_available() and bool(can.get("avx512_bf16") or can.get("bf16"))


def choose_precision(precision: str, device: str) -> str:
    """``"auto"`` becomes ``"bf16"`` if `device` has the instructions and ``"32"`` otherwise; other values are returned."""
    if precision == "auto":
        return "bf16" if computes_bf16(device) else "32"
    return precision


def model(device: str) -> str:
    """The device's name for a result's provenance: ``"cpu"``, or the model of the GPU."""
    return torch.cuda.get_device_name() if device == "cuda" else device


def processor() -> str:
    """This machine's processor and the instructions that torch uses of it: who adds with others rounds otherwise."""
    with contextlib.suppress(OSError):
        if found := re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE):
            return f"{found[1].strip()}, {torch.backends.cpu.get_cpu_capability()}"
    return f"{platform.processor() or platform.machine()}, {torch.backends.cpu.get_cpu_capability()}"


def set_up(device: str, threads: int) -> str:
    """Choose the device, set the number of torch's CPU threads, and make torch deterministic; returns the device."""
    chosen = choose_device(device)
    torch.set_num_threads(threads)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it, matrix products on a GPU vary from run to run
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # nothing here reads such memory, and filling takes time
    # by default torch uses TF32 for convolutions, which is less precise than the "32" that was asked for
    if hasattr(torch.backends.cudnn, "conv"):
        torch.backends.cudnn.conv.fp32_precision = "ieee"
    else:  # before torch 2.9
        torch.backends.cudnn.allow_tf32 = False
    return chosen
