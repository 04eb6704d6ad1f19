import pytest
import torch

from cvig.training.devices import choose_device, choose_precision, model
from study.sessions.evaluation import open_evaluation
from study.sessions.training import open_training
from study.settings import EvaluateSettings, TrainSettings


def test_an_absent_device_is_refused():
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match="no CUDA device"):
            choose_device("cuda")
    assert choose_device("cpu") == model("cpu") == "cpu"


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


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_trains_and_tests_the_same_each_time(tmp_path):
    found = []
    for folder in ("a", "b"):
        out = str(tmp_path / folder)
        sizes = {"size": 64, "train_count": 32, "val_count": 16, "epochs": 2, "batch": 16, "options": {"spacing": 16}}
        session = open_training(TrainSettings(arch="resnet18", out=out, device="cuda", **sizes))
        session.fit()
        assert session.finish()["device"] == torch.cuda.get_device_name()
        evaluation = open_evaluation(EvaluateSettings(run=out, test_count=40, device="cuda"))
        evaluation.score()
        evaluation.finish()
        found.append([(tmp_path / folder / name).read_bytes() for name in ("validation.npz", "metrics.json")])
    assert found[0] == found[1]
