"""Where a run computes, and in what precision: chosen once, the same for training, evaluation and the filter."""

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
    can = torch.cpu.get_capabilities()  # the first is what x86 calls it, the second ARM
    return torch.backends.mkldnn.is_available() and bool(can.get("avx512_bf16") or can.get("bf16"))


def choose_precision(precision: str, device: str) -> str:
    """``"auto"`` is ``"bf16"`` where `device` computes in it, else ``"32"``; anything else stays as asked."""
    if precision == "auto":
        return "bf16" if computes_bf16(device) else "32"
    return precision


def set_up(device: str, threads: int) -> str:
    """Choose the device, set torch's CPU threads and ask it for determinism, as every notebook run does; give the device."""
    chosen = choose_device(device)
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True, warn_only=True)
    return chosen
