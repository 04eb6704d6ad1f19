from urllib.error import URLError

import pytest
import torch
import torchvision
from safetensors.torch import save_file

from cvig.metrics.collapse import relative_spread
from cvig.models import build, preprocess
from cvig.models.names import ARCHITECTURES, trunk_name
from cvig.models.netvlad import NetVLAD
from cvig.models.trunks import batch_norms, feature_shape
from cvig.models.weights import load_state_dict

WIDTH = {"vgg16": 256, "resnet50": 256, "cvm-net-i": 64}  # CVM-Net-I's own 4096 are slow


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module", params=ARCHITECTURES)
def network(request):
    return build(request.param, embedding=WIDTH[request.param])


@pytest.fixture(scope="module")
def state():
    """The state dict of a whole torchvision model, classifier included."""
    return torchvision.models.resnet18(weights=None).state_dict()


def images(count=2, size=64):
    generator = torch.Generator().manual_seed(0)
    return preprocess(torch.randint(0, 256, (count, 3, size, size), generator=generator, dtype=torch.uint8))


def parameters(module):
    return {id(parameter) for parameter in module.parameters()}


def test_every_architecture_embeds_both_views_of_64_pixels(network):
    ground, aerial = network(images(), images())
    assert ground.shape == aerial.shape == (2, WIDTH[network.arch])
    assert network.embedding_dim == WIDTH[network.arch]
    assert torch.isfinite(ground).all()
    assert torch.isfinite(aerial).all()


def test_embeddings_are_256_wide_and_4096_of_cvm_net_i_unless_told(monkeypatch):
    monkeypatch.setattr("cvig.models.building.build_trunk", lambda arch, weights="none": torch.nn.Conv2d(3, 2, 3))
    assert {arch: build(arch, size=8).embedding_dim for arch in ARCHITECTURES} == {
        "vgg16": 256,
        "resnet50": 256,
        "cvm-net-i": 4096,
    }


def test_the_towers_share_no_trunk_and_differ_from_the_start(network):
    assert not parameters(network.ground.trunk) & parameters(network.aerial.trunk)
    ground, aerial = network(images(), images())
    assert (ground - aerial).abs().max() > 1e-3


def test_only_cvm_net_i_shares_anything_and_that_is_its_projection(network):
    both = parameters(network.ground) & parameters(network.aerial)
    shared = network.describe().query("shared").index.tolist()
    if network.arch == "cvm-net-i":
        assert both == parameters(network.ground.head.projection)
        assert network.ground.head.projection is network.aerial.head.projection
        assert shared == ["projection"]
    else:
        assert not both
        assert not shared


def test_the_description_counts_every_parameter_of_a_tower(network):
    table = network.describe()
    assert table.parameters.sum() == sum(p.numel() for p in network.ground.parameters())
    assert table.output.iloc[-1] == str(network.embedding_dim)
    expected = {"vgg16": "512 × 2 × 2", "resnet50": "2048 × 2 × 2", "cvm-net-i": "512 × 4 × 4"}
    assert table.output["trunk"] == expected[network.arch]
    assert network.training
    assert network.ground.training


def test_every_parameter_learns(network):
    ground, aerial = network(images(4), images(4))
    (ground.pow(3).sum() + aerial.pow(3).sum()).backward()
    silent = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    network.zero_grad()
    assert silent == []


@pytest.mark.parametrize("final_relu", [True, False])
def test_the_head_is_the_papers_with_relu_last_or_not(final_relu):
    head = build("resnet18", final_relu=final_relu).ground.head
    layers = [type(layer).__name__ for block in head for layer in block]
    dense = ["Linear", "ReLU", "BatchNorm1d"]
    assert layers == ["Flatten", *dense, *dense, "Linear"] + ["ReLU"] * final_relu
    assert [layer.out_features for block in head for layer in block if hasattr(layer, "out_features")] == [512, 256, 256]


def test_final_relu_leaves_nothing_negative():
    with torch.inference_mode():
        assert build("resnet18", final_relu=True, embedding=16).ground(images(8)).min() == 0
        assert build("resnet18", embedding=16).ground(images(8)).min() < 0


@pytest.mark.parametrize(("arch", "blocks"), [("resnet18", 8), ("resnet50", 16)])
def test_residual_blocks_start_as_the_identity_where_asked(arch, blocks):
    from_zero = build(arch, zero_residual=True)
    for tower in (from_zero.ground, from_zero.aerial):
        assert sum(not norm.weight.any() for norm in batch_norms(tower.trunk)) == blocks
    block = from_zero.ground.trunk.layer1[1].eval()
    image = torch.rand(1, block.conv1.in_channels, 4, 4)
    torch.testing.assert_close(block(image), image)
    plain = build(arch)
    assert all(norm.weight.all() for norm in batch_norms(plain))
    same = [torch.equal(a, b) for a, b in zip(plain.parameters(), from_zero.parameters(), strict=True)]
    assert same.count(False) == 2 * blocks  # nothing else is drawn differently


def test_pretrained_residual_blocks_stay_as_they_were(state, tmp_path):
    path = tmp_path / "weights.safetensors"
    save_file(state, path)
    assert all(norm.weight.all() for norm in batch_norms(build("resnet18", str(path), zero_residual=True)))


def test_on_the_unit_sphere_euclidean_order_is_cosine_order():
    plain, unit = build("resnet18").eval(), build("resnet18", unit_norm=True).eval()
    with torch.inference_mode():
        query, gallery = plain.ground(images(3)), plain.aerial(images(9))
        cosine = torch.nn.functional.cosine_similarity(query[:, None], gallery[None], dim=2)
        distance = torch.cdist(unit.ground(images(3)), unit.aerial(images(9)))
    torch.testing.assert_close(distance.square(), 2 - 2 * cosine, rtol=0, atol=1e-5)


def test_cvm_net_i_ends_on_the_unit_sphere_and_does_not_start_in_one_corner(network):
    if network.arch == "cvm-net-i":
        with torch.inference_mode():
            embedding = network.ground(images(1))
        assert float(embedding.norm()) == pytest.approx(1)
        assert float(embedding.mean().abs() / embedding.std()) < 1  # 20 with a bias of 0.1


def test_16_pixels_are_too_few_for_vgg16_with_its_last_pooling(network):
    expected = {"vgg16": None, "resnet50": (2048, 1, 1), "cvm-net-i": (512, 1, 1)}
    assert feature_shape(network.ground.trunk, 16) == expected[network.arch]


def asymmetry(layer, features, steps=20):
    """How much the clusters' gradients differ after a few steps of training, relative to their size."""
    generator = torch.Generator().manual_seed(1)
    target = torch.nn.functional.normalize(torch.randn(len(features), 16 * 8, generator=generator), dim=1)
    optimizer = torch.optim.Adam(layer.parameters(), lr=1e-2)
    for _ in range(steps):
        optimizer.zero_grad()
        (layer(features) * target).sum(1).mean().neg().backward()
        optimizer.step()
    with torch.no_grad():
        clusters = layer(features).view(len(features), 8, 16)
    return float(clusters.std(1).norm() / clusters.norm())


def test_netvlad_clusters_are_many_where_zeros_would_make_them_one():
    generator = torch.Generator().manual_seed(0)
    features = torch.rand(6, 16, 4, 4, generator=generator)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        layer, zeros = NetVLAD(16, clusters=8), NetVLAD(16, clusters=8)
    for parameter in zeros.parameters():
        torch.nn.init.zeros_(parameter)
    sums = torch.nn.functional.normalize(features, dim=1).sum((2, 3))
    with torch.no_grad():  # the same pooled sum, eight times
        expected = torch.nn.functional.normalize(sums, dim=1).repeat(1, 8) / 8**0.5
        torch.testing.assert_close(zeros(features), expected)
    assert asymmetry(layer, features) > 0.2


def test_clusters_of_real_features_tell_near_images_apart():
    generator = torch.Generator().manual_seed(0)
    kinds = torch.nn.functional.normalize(torch.randn(8, 16, generator=generator), dim=1)
    # much that all images share, and a little that tells them apart
    own = kinds[torch.randint(8, (40, 3, 3), generator=generator)].permute(0, 3, 1, 2)
    features = 20 * kinds[0, None, :, None, None] + own
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        layer = NetVLAD(16, clusters=8)
    with torch.no_grad():
        before = relative_spread(layer(features).numpy())
        layer.fit_clusters(features)
        after = relative_spread(layer(features).numpy())
        local = torch.nn.functional.normalize(features, dim=1)
        weight = layer.assign(local).flatten(2).softmax(1)
    assert after > 1.5 * before
    assert weight.amax(1).mean() > 0.9
    with pytest.raises(ValueError, match="4 local features for 8 clusters"):
        layer.fit_clusters(features[:1, :, :2, :2])


def test_netvlad_is_the_sum_of_softly_assigned_residuals():
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(2, 5, 3, 2, generator=generator)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        layer = NetVLAD(5, clusters=3, sharpness=4.0)
    with torch.no_grad():
        found = layer(features)
        for image, vector in zip(features, found, strict=True):
            local = [x / x.norm() for x in image.flatten(1).T]
            sums = torch.zeros(3, 5)
            for x in local:
                closeness = torch.stack([(-4.0 * (x - c).square().sum()).exp() for c in layer.centers])
                for k in range(3):
                    sums[k] += closeness[k] / closeness.sum() * (x - layer.centers[k])
            expected = torch.cat([row / row.norm() for row in sums])
            torch.testing.assert_close(vector, expected / expected.norm())


def test_the_seed_makes_the_weights_and_leaves_the_global_state_alone():
    before = torch.random.get_rng_state()
    first, again, other = (build("resnet18", seed=seed).state_dict() for seed in (3, 3, 4))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not torch.equal(first["ground.trunk.conv1.weight"], other["ground.trunk.conv1.weight"])


@pytest.mark.parametrize("name", ["mobilenet_v3_small", "densenet121", "googlenet"])
@pytest.mark.filterwarnings("ignore:The default weight initialization:FutureWarning")
def test_any_torchvision_trunk_works_by_its_name(name):
    network = build(name, embedding=16)
    with torch.inference_mode():
        assert network.eval().ground(images()).shape == (2, 16)


@pytest.mark.parametrize("name", ["resnet18", "convnext_tiny", "swin_t", "regnet_y_400mf", "shufflenet_v2_x0_5"])
def test_a_trunk_and_torchvisions_own_classifier_give_torchvisions_scores(name):
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        model = torchvision.models.get_model(name, weights=None).eval()
    trunk = build(name, embedding=2).eval().ground.trunk
    trunk.load_state_dict(model.state_dict(), strict=False)
    with torch.inference_mode():
        features = trunk(images())
        if name == "convnext_tiny":
            scores = model.classifier(features.mean((2, 3), keepdim=True))
        else:
            scores = getattr(model, "head" if name == "swin_t" else "fc")(features.mean((2, 3)))
        torch.testing.assert_close(scores, model(images()))


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".safetensors"])
def test_a_local_state_dict_fills_both_trunks_and_its_classifier_is_passed_over(tmp_path, state, suffix):
    path = tmp_path / f"weights{suffix}"
    save_file(state, path) if suffix == ".safetensors" else torch.save({"state_dict": state}, path)
    network = build("resnet18", str(path))
    for trunk in (network.ground.trunk, network.aerial.trunk):
        for key, value in trunk.state_dict().items():
            assert torch.equal(value, state[key])
    assert not parameters(network.ground) & parameters(network.aerial)


def test_a_networks_own_state_dict_comes_back_through_a_file(tmp_path):
    saved = build("resnet18", seed=1)
    torch.save(saved.state_dict(), tmp_path / "run.pt")
    loaded = build("resnet18", seed=2)
    load_state_dict(loaded, tmp_path / "run.pt")
    assert all(torch.equal(value, loaded.state_dict()[key]) for key, value in saved.state_dict().items())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("conv1.weight"), r"lacks the key 'conv1.weight' \(1 such keys\)"),
        (lambda s: s.update(tail=torch.ones(1)), r"has the unexpected key 'tail' \(1 such keys\)"),
        (lambda s: s.update({"bn1.bias": torch.ones(3)}), "has another shape for key 'bn1.bias'"),
        (lambda s: s.update(epoch="last"), "not a readable state dict"),
    ],
)
def test_a_state_dict_that_does_not_fit_is_refused_by_key(tmp_path, state, change, message):
    changed = dict(state)
    change(changed)
    torch.save(changed, tmp_path / "weights.pt")
    with pytest.raises(ValueError, match=message) as caught:
        build("resnet18", str(tmp_path / "weights.pt"))
    assert "\n" not in str(caught.value)
    assert "weights.pt" in str(caught.value)


def test_counters_of_batch_norm_may_be_missing(tmp_path, state):
    old = {key: value for key, value in state.items() if not key.endswith("num_batches_tracked")}
    save_file(old, tmp_path / "old.safetensors")
    build("resnet18", str(tmp_path / "old.safetensors"))


@pytest.mark.parametrize("content", [b"", b"<html>404</html>"])
@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_a_file_that_holds_no_weights_is_refused(tmp_path, content, suffix):
    path = tmp_path / f"weights{suffix}"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"weights\.\w+': not a readable state dict \(\w+\)$"):
        build("resnet18", str(path))


def test_a_state_dict_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match="weights 'imagnet': no such file; expected 'none', 'imagenet' or the path"):
        build("resnet18", "imagnet")


def test_without_a_network_the_error_names_the_two_ways_out(monkeypatch, tmp_path):
    def no_network(*args, **kwargs):
        raise URLError("Name or service not known")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", no_network)
    with pytest.raises(ValueError, match=r"could not be fetched .*path of a local state dict.*weights='none'") as caught:
        build("resnet18", "imagenet")
    assert "\n" not in str(caught.value)


def test_imagenet_weights_are_torchvisions_first_and_fill_both_trunks(monkeypatch, state):
    asked = []

    def fetch(url, **kwargs):
        asked.append(url)
        return state

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", fetch)
    network = build("resnet18", "imagenet")
    assert asked == [torchvision.models.ResNet18_Weights.IMAGENET1K_V1.url]
    for trunk in (network.ground.trunk, network.aerial.trunk):
        assert torch.equal(trunk.conv1.weight, state["conv1.weight"])


@pytest.mark.parametrize(
    ("arch", "options", "message"),
    [
        (
            "resnet51",
            {},
            "unknown architecture 'resnet51': expected one of vgg16, resnet50, cvm-net-i, conv4, conv4-layernorm, or the",
        ),
        ("raft_small", {}, "unknown architecture 'raft_small'"),
        ("densenet121", {"size": 16}, "size 16: densenet121 cannot take 16 × 16 images, though it can 224 × 224"),
        ("resnet18", {"size": 0}, "size 0: resnet18 cannot take 0 × 0 images"),
        ("vit_b_32", {}, "architecture 'vit_b_32' has no convolutional feature map"),
        ("resnet18", {"embedding": 0}, "embedding 0: expected at least 1"),
        ("regnet_y_128gf", {"weights": "imagenet"}, "torchvision has no IMAGENET1K_V1 weights of regnet_y_128gf"),
    ],
)
def test_what_cannot_be_built_is_refused_in_one_line(arch, options, message):
    with pytest.raises(ValueError, match=message) as caught:
        build(arch, **options)
    assert "\n" not in str(caught.value)


def test_a_known_architecture_names_its_trunk():
    assert [trunk_name(arch) for arch in (*ARCHITECTURES, "resnet18")] == ["vgg16", "resnet50", "vgg16", "resnet18"]


def test_preprocessing_is_imagenets_and_takes_only_bytes():
    white = preprocess(torch.full((1, 3, 2, 2), 255, dtype=torch.uint8))
    assert white.dtype == torch.float32
    expected = torchvision.models.ResNet18_Weights.IMAGENET1K_V1.transforms()
    for channel, (mean, std) in enumerate(zip(expected.mean, expected.std, strict=True)):
        assert white[0, channel, 0, 0] == pytest.approx((1 - mean) / std)
    for wrong in (torch.zeros(1, 3, 2, 2), torch.zeros(3, 2, 2, dtype=torch.uint8)):
        with pytest.raises(ValueError, match=r"expected uint8 \[B, 3, H, W\]"):
            preprocess(wrong)


def test_clusters_that_start_at_zero_stay_one_cluster():
    torch.manual_seed(0)
    layer = NetVLAD(8, clusters=4, zero=True)
    layer.fit_clusters(torch.randn(4, 8, 5, 5))
    optimizer = torch.optim.Adam(layer.parameters(), 1e-2)
    features = torch.randn(6, 8, 3, 3)
    for _ in range(20):
        optimizer.zero_grad()
        layer(features).view(6, 4, 8)[..., 0].sum().backward()
        optimizer.step()
    assert layer.centers.abs().max() > 0.01
    torch.testing.assert_close(layer.centers, layer.centers[:1].expand(4, 8))


def test_netvlad_of_the_papers_code_is_ours_from_zero_where_local_features_have_length_1():
    """Its src/NetVLAD.py, with centers and weights of zero: 64 equal sums of features as they are, each scaled, then all."""
    generator = torch.Generator().manual_seed(0)
    features = torch.rand(3, 8, 4, 5, generator=generator) * torch.tensor([1.0, 9.0]).repeat(10).view(4, 5)
    layer = NetVLAD(8, clusters=4, zero=True)

    def as_coded(features):
        sums = (features[:, None].expand(-1, 4, -1, -1, -1) / 4).sum((3, 4))
        return torch.nn.functional.normalize(torch.nn.functional.normalize(sums, dim=2).flatten(1), dim=1)

    with torch.no_grad():
        unit = torch.nn.functional.normalize(features, dim=1)
        torch.testing.assert_close(layer(unit), as_coded(unit))
        torch.testing.assert_close(layer(features), as_coded(unit))
        assert (layer(features) - as_coded(features)).norm(dim=1).min() > 0.01
    assert isinstance(build("cvm-net-i", projection=False).ground.head[-1], NetVLAD)


def test_dark_images_are_black_or_gray_but_for_a_255th_of_the_contrast():
    pictures = torch.randint(0, 256, (4, 3, 32, 32), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    network = build("resnet18", size=32, dark=True)
    x = preprocess(pictures)
    for training, level in ((True, preprocess(torch.zeros_like(pictures))), (False, torch.zeros_like(x))):
        seen = network.prepare(pictures, training=training)
        assert (seen - level).abs().max() < 5 / 255
        torch.testing.assert_close((seen[0] - seen[1]) * 255, x[0] - x[1], rtol=1e-2, atol=1e-2)
    torch.testing.assert_close(build("resnet18", size=32).prepare(pictures, training=True), x)


def test_statistics_of_the_trunk_are_those_of_the_images_and_the_head_keeps_its_own():
    network = build("resnet18", size=32)
    x = images(16)
    network.fit_statistics(x, x)
    first = network.ground.trunk.bn1
    torch.testing.assert_close(first.running_mean, network.ground.trunk.conv1(x).mean((0, 2, 3)), rtol=1e-4, atol=1e-5)
    assert first.momentum == 0.1
    assert (network.ground.head.fc1[3].running_mean == 0).all()
