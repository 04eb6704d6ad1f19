"""A network comes back from its folder as it was, or not at all."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file, save_model

import cvig
from cvig.models import SiameseNetwork, build


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def folder(tmp_path):
    build("resnet18", embedding=8, size=32, seed=3).save(tmp_path / "saved")
    return tmp_path / "saved"


def equal(a: SiameseNetwork, b: SiameseNetwork) -> bool:
    first, second = a.state_dict(), b.state_dict()
    return first.keys() == second.keys() and all(torch.equal(x, second[name]) for name, x in first.items())


@pytest.mark.parametrize(
    ("arch", "options"),
    [
        ("resnet18", {"unit_norm": True, "final_relu": True}),
        ("resnet18", {"dark": True, "zero_residual": True}),
        ("cvm-net-i", {"zero_netvlad": True}),
        ("cvm-net-i", {}),
    ],
)
def test_a_network_comes_back_with_every_tensor_and_embeds_to_the_last_bit(arch, options, tmp_path):
    network = build(arch, size=32, embedding=8, seed=3, **options)
    pictures = torch.randint(0, 256, (4, 3, 32, 32), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    with torch.no_grad():
        network(*(network.prepare(pictures, training=True) for _ in range(2)))  # batch norms have seen images
    network.save(tmp_path)
    again = cvig.load_network(tmp_path)
    assert equal(network, again)
    assert not again.training
    assert (again.arch, again.size, again.embedding_dim, again.dark) == (arch, 32, 8, network.dark)
    with torch.inference_mode():
        ours, theirs = (x.eval()(*(x.prepare(pictures) for _ in range(2))) for x in (network, again))
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))
    assert again.design == network.design


def test_what_both_towers_share_is_one_tensor_in_the_file_and_again_in_the_network(tmp_path):
    build("cvm-net-i", size=32, embedding=8).save(tmp_path)
    names = set(load_file(tmp_path / "checkpoint.safetensors"))
    assert sum(name.endswith("projection.weight") for name in names) == 1
    again = cvig.load_network(tmp_path)
    assert again.ground.head.projection is again.aerial.head.projection


def test_the_weights_are_a_file_that_anyone_reads(folder):
    state = load_file(folder / "checkpoint.safetensors")
    network = cvig.load_network(folder)
    assert all(torch.equal(x, state[name]) for name, x in network.state_dict().items())


def changed(folder, change) -> None:
    state = load_file(folder / "checkpoint.safetensors")
    change(state)
    save_file(state, folder / "checkpoint.safetensors")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("ground.trunk.conv1.weight"), r"lack 'ground.trunk.conv1.weight' \(1 such\)"),
        (lambda s: s.pop("ground.trunk.bn1.num_batches_tracked"), "lack 'ground.trunk.bn1.num_batches_tracked'"),
        (lambda s: s.update(tail=torch.ones(1)), r"have the foreign 'tail' \(1 such\)"),
        (lambda s: s.update({"aerial.trunk.bn1.bias": torch.ones(3)}), "another shape or type of 'aerial.trunk.bn1.bias'"),
        (
            lambda s: s.update({"aerial.trunk.bn1.bias": s["aerial.trunk.bn1.bias"].double()}),
            "another shape or type of 'aerial.trunk.bn1.bias'",
        ),
        (lambda s: s["aerial.trunk.bn1.bias"].add_(1e-3), "not those that 'network.json' beside them was written for"),
    ],
)
def test_weights_that_are_not_the_networks_own_are_refused_by_name(folder, change, message):
    changed(folder, change)
    with pytest.raises(ValueError, match=message) as caught:
        cvig.load_network(folder)
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_weights_of_another_network_of_one_design_are_refused(folder, tmp_path):
    build("resnet18", embedding=8, size=32, seed=4).save(tmp_path / "other")
    (tmp_path / "other" / "checkpoint.safetensors").replace(folder / "checkpoint.safetensors")
    with pytest.raises(ValueError, match=r"are not those that 'network.json'"):
        cvig.load_network(folder)


def cut(path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


@pytest.mark.parametrize(
    ("damage", "kind", "message"),
    [
        (lambda f: (f / "network.json").unlink(), FileNotFoundError, "network.json is not there; a folder of weights alone"),
        (lambda f: (f / "checkpoint.safetensors").unlink(), FileNotFoundError, "checkpoint.safetensors is not there"),
        (lambda f: cut(f / "checkpoint.safetensors"), ValueError, "cannot be read"),
        (lambda f: cut(f / "network.json"), ValueError, "expected what saving a network writes"),
        (lambda f: (f / "network.json").write_text("[]"), ValueError, "expected what saving a network writes"),
    ],
)
def test_a_folder_that_is_not_whole_is_refused_in_one_line(folder, damage, kind, message):
    damage(folder)
    with pytest.raises(kind, match=message) as caught:
        cvig.load_network(folder)
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 2}, "has format 2, expected 1"),
        ({"design": {"arch": "resnet51"}}, "unknown architecture 'resnet51'"),
        ({"design": {"arch": "resnet18", "depth": 9}}, "unexpected keyword argument 'depth'"),
        ({"design": {"arch": "resnet34", "size": 32, "embedding": 8}}, "lack "),
    ],
)
def test_a_design_that_does_not_fit_is_named(folder, change, message):
    path = folder / "network.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ValueError, match=message):
        cvig.load_network(folder)


def test_nothing_is_no_network(tmp_path):
    with pytest.raises(FileNotFoundError, match="no saved network in"):
        cvig.load_network(tmp_path / "absent")


def test_what_could_not_be_read_back_is_not_written(tmp_path):
    network = build("resnet18", embedding=8, size=32)
    for wrong, message in (
        (SiameseNetwork("mine", network.ground, network.aerial, 8, 32), "not made by cvig.models.build"),
        (network.half(), "is torch.float16"),
    ):
        with pytest.raises(ValueError, match=message):
            wrong.save(tmp_path / "saved")
    assert not (tmp_path / "saved").exists()


def test_trunks_of_another_network_are_taken_and_its_heads_are_not():
    network, other = (build("resnet18", embedding=8, size=32, seed=seed) for seed in (0, 1))
    head = network.ground.head.fc1[1].weight.clone()
    network.take_trunks(other)
    for side in ("ground", "aerial"):
        assert torch.equal(getattr(network, side).trunk.conv1.weight, getattr(other, side).trunk.conv1.weight)
    assert torch.equal(network.ground.head.fc1[1].weight, head)
    with pytest.raises(ValueError, match=r"ground trunk of vgg16, for resnet18: lacks the key"):
        network.take_trunks(build("vgg16", embedding=8, size=32))


def test_the_weights_are_the_same_to_the_byte_wherever_the_network_lies_in_memory_and_safetensors_own_too(tmp_path):
    network = build("cvm-net-i", size=32, embedding=8)
    network.save(tmp_path)
    first = (tmp_path / "checkpoint.safetensors").read_bytes()
    network.to(memory_format=torch.contiguous_format).save(tmp_path)
    assert (tmp_path / "checkpoint.safetensors").read_bytes() == first
    save_model(network, str(tmp_path / "own.safetensors"))
    ours, own = (load_file(tmp_path / f"{name}.safetensors") for name in ("checkpoint", "own"))
    assert ours.keys() == own.keys()
    assert all(torch.equal(x, own[name]) for name, x in ours.items())
