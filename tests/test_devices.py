import pytest
import torch

from cvig.devices import choose_device, choose_precision


def test_an_absent_device_is_refused():
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match="no CUDA device"):
            choose_device("cuda")
    assert choose_device("cpu") == "cpu"


@pytest.mark.parametrize(
    ("capabilities", "chosen"),
    [({"avx2": True, "avx512_bf16": False}, "32"), ({"avx512_bf16": True}, "bf16"), ({"bf16": True}, "bf16"), ({}, "32")],
)
def test_bf16_is_chosen_only_where_the_processor_computes_in_it(monkeypatch, capabilities, chosen):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: True)
    assert choose_precision("auto", "cpu") == chosen
    assert choose_precision("bf16", "cpu") == "bf16"
    assert choose_precision("32", "cpu") == "32"
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    assert choose_precision("auto", "cpu") == "32"
