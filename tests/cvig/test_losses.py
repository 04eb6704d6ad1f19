import math

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from torch.nn.functional import normalize

from cvig.losses import InfoNCELoss, MaxMarginLoss, SoftMarginLoss, squared_distances

# Straight from the definitions: one triplet at a time, in Python.


def distance(x, y):
    return sum((x[k] - y[k]) ** 2 for k in range(len(x)))


def max_margin_by_loops(ground, aerial, margin=0.5):
    total = 0.0
    for i, anchor in enumerate(ground):
        positive = distance(anchor, aerial[i])
        others = [distance(anchor, aerial[j]) for j in range(len(aerial)) if j != i]
        farther = [d for d in others if d > positive]
        excess = positive - min(farther or others) + margin
        total = total + (excess if excess > 0 else 0 * excess)
    return total / len(ground)


def soft_margin_by_loops(ground, aerial, weight=10.0):
    triplets = []
    for anchors, candidates in ((ground, aerial), (aerial, ground)):
        for i, anchor in enumerate(anchors):
            positive = distance(anchor, candidates[i])
            for j in range(len(candidates)):
                if j != i:
                    gap = positive - distance(anchor, candidates[j])
                    triplets.append((1 + (weight * gap).exp()).log())
    return sum(triplets) / len(triplets)


def infonce_by_loops(ground, aerial, temperature=0.1, smoothing=0.1):
    def cosine(x, y):
        return (x * y).sum() / ((x * x).sum().sqrt() * (y * y).sum().sqrt())

    terms, count = [], len(ground)
    for anchors, candidates in ((ground, aerial), (aerial, ground)):
        for i, anchor in enumerate(anchors):
            scores = [cosine(anchor, candidate) / temperature for candidate in candidates]
            total = sum(score.exp() for score in scores)
            for j, score in enumerate(scores):
                share = smoothing / count + (1 - smoothing) * (i == j)
                terms.append(-share * (score.exp() / total).log())
    return sum(terms) / (2 * count)


BY_LOOPS = {"max-margin": max_margin_by_loops, "soft-margin": soft_margin_by_loops, "infonce": infonce_by_loops}
LOSSES = pytest.mark.parametrize("name", BY_LOOPS)


def make(name):
    return {
        "max-margin": MaxMarginLoss,
        "soft-margin": SoftMarginLoss,
        "infonce": lambda: InfoNCELoss(label_smoothing=0.1),
    }[name]()


def pairs(count=7, width=5, seed=0, noise=0.4, scale=0.5):
    """Embeddings in float64, partners near each other but not always nearest."""
    generator = torch.Generator().manual_seed(seed)
    place = torch.randn(count, width, generator=generator, dtype=torch.float64)
    views = [scale * (place + noise * torch.randn(place.shape, generator=generator, dtype=torch.float64)) for _ in "ga"]
    return tuple(view.requires_grad_() for view in views)


def value_and_gradients(loss, ground, aerial):
    value = loss(ground, aerial)
    return value, *torch.autograd.grad(value, (ground, aerial))


@LOSSES
@pytest.mark.parametrize("noise", [0.1, 0.4, 2.0])
def test_value_and_gradient_are_those_of_loops_over_all_triplets(name, noise):
    for seed in range(3):
        ground, aerial = pairs(noise=noise, seed=seed)
        expected = value_and_gradients(BY_LOOPS[name], ground, aerial)
        # softplus is linear from 20 on, e⁻²⁰ = 2e-9 away; the temperature's logarithm is a float32
        torch.testing.assert_close(value_and_gradients(make(name), ground, aerial), expected, rtol=1e-6, atol=1e-9)


@LOSSES
def test_gradient_is_that_of_finite_differences(name):
    assert torch.autograd.gradcheck(make(name), pairs(count=4, width=3, noise=2.0))


def test_the_cases_above_have_anchors_with_and_without_a_farther_negative():
    for noise, everywhere in ((0.1, True), (2.0, False)):
        table = squared_distances(*pairs(noise=noise))
        assert bool((table > table.diagonal()[:, None]).any(1).all()) == everywhere


@LOSSES
def test_negatives_are_pushed_away(name):
    # Partners coincide, so that pulling them together has no gradient left. Public code stops the one that remains.
    place = torch.tensor([[0.3, 0.0], [0.2, 0.2]])
    ground, aerial = place.clone().requires_grad_(), place.clone().requires_grad_()
    for gradient in value_and_gradients(make(name), ground, aerial)[1:]:
        assert (-gradient * (place - place.flip(0))).sum(1).min() > 1e-3


def test_max_margin_takes_the_nearest_of_the_farther_negatives_or_else_the_nearest():
    ground = torch.tensor([[0.0], [100.0], [200.0], [300.0]], dtype=torch.float64)
    aerial = torch.tensor([[2.0], [1.0], [-2.1], [40.0]], dtype=torch.float64)
    hinges = [
        2**2 - 2.1**2 + 0.5,  # not the nearer one at 1, nor the one at 40
        0.0,  # 99² against 102.1²
        202.1**2 - 160**2 + 0.5,  # none is farther
        0.0,  # 260² against 298²
    ]
    assert float(MaxMarginLoss()(ground, aerial)) == pytest.approx(sum(hinges) / 4)


@LOSSES
def test_collapse_is_not_taken_for_success(name):
    point = torch.ones(6, 4)
    ground, aerial = point.clone().requires_grad_(), point.clone().requires_grad_()
    loss, *gradients = value_and_gradients(make(name), ground, aerial)
    assert loss.item() == pytest.approx({"max-margin": 0.5, "soft-margin": math.log(2), "infonce": math.log(6)}[name])
    assert all(torch.isfinite(gradient).all() for gradient in gradients)


@LOSSES
def test_a_solved_batch_costs_less_than_a_collapsed_one(name):
    solved = 3 * torch.eye(6)
    assert make(name)(solved, solved) < make(name)(torch.ones(6, 6), torch.ones(6, 6)) / 2


@LOSSES
@pytest.mark.parametrize("far", ["positive", "negative"])
def test_distances_of_ten_thousand_stay_finite(name, far):
    place = 1e4 * torch.eye(4)
    aerial = place.roll(1, 0) if far == "positive" else place.clone()
    loss, *gradients = value_and_gradients(make(name), place.requires_grad_(), aerial.requires_grad_())
    assert torch.isfinite(loss)
    assert all(torch.isfinite(gradient).all() for gradient in gradients)


def test_a_distance_between_far_off_points_keeps_its_digits():
    ground, aerial = torch.tensor([[1e4, 0.0]]), torch.tensor([[1e4, 2.0**-10]])
    assert float(squared_distances(ground, aerial)) == 2.0**-20


@LOSSES
def test_the_order_of_the_pairs_does_not_matter(name):
    ground, aerial = pairs(noise=1.0)
    order = torch.tensor([3, 0, 6, 1, 5, 2, 4])
    torch.testing.assert_close(make(name)(ground[order], aerial[order]), make(name)(ground, aerial))


def test_soft_margin_and_infonce_treat_both_views_alike_and_max_margin_asks_from_the_ground():
    ground, aerial = pairs(noise=1.0)
    for name in ("soft-margin", "infonce"):
        loss = make(name)
        torch.testing.assert_close(loss(ground, aerial), loss(aerial, ground))
    assert abs(MaxMarginLoss()(ground, aerial) - MaxMarginLoss()(aerial, ground)) > 1e-3


@LOSSES
def test_descent_leads_out_of_a_near_collapse_to_every_pair_found(name):
    generator = torch.Generator().manual_seed(1)
    ground, aerial = ((0.01 * torch.randn(8, 4, generator=generator)).requires_grad_() for _ in "ga")
    loss = make(name)
    optimizer = torch.optim.Adam([ground, aerial], lr=0.05)
    for _ in range(300):
        optimizer.zero_grad()
        loss(ground, aerial).backward()
        optimizer.step()
    table = squared_distances(*(normalize(x, dim=1) if name == "infonce" else x for x in (ground, aerial)))
    assert table.argmin(1).tolist() == list(range(8))


def test_the_temperature_is_learned_within_its_bounds():
    loss = InfoNCELoss(temperature=0.1)
    ground, aerial = (view.detach().float().requires_grad_() for view in pairs(noise=2.0))
    loss(ground, aerial).backward()
    assert abs(float(loss.log_scale.grad)) > 1e-3
    assert float(loss.log_scale.detach().exp()) == pytest.approx(10)
    for outside, bound in ((50.0, 100.0), (-50.0, 1.0)):
        loss.log_scale.data.fill_(outside)
        loss.log_scale.grad = None
        loss(ground, aerial).backward()
        assert float(loss.log_scale.detach().exp()) == pytest.approx(bound)
        assert float(loss.log_scale.grad) != 0  # so that it can come back


@LOSSES
def test_a_batch_that_has_no_triplets_is_refused(name):
    loss = make(name)
    with pytest.raises(ValueError, match="a batch of 1 pair has no negatives: expected at least 2"):
        loss(torch.ones(1, 4), torch.ones(1, 4))
    with pytest.raises(ValueError, match=r"embeddings \(3, 4\) and \(2, 4\): expected two equal shapes"):
        loss(torch.ones(3, 4), torch.ones(2, 4))
    with pytest.raises(ValueError, match="expected two equal shapes"):
        loss(torch.ones(3, 4, 1), torch.ones(3, 4, 1))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: MaxMarginLoss(margin=0), "margin 0: expected more than 0"),
        (lambda: SoftMarginLoss(weight=math.nan), "weight nan: expected more than 0"),
        (lambda: InfoNCELoss(temperature=0), "temperature 0: expected 0.01 to 1"),
        (lambda: InfoNCELoss(label_smoothing=1.0), "label_smoothing 1.0: expected 0 or more"),
    ],
)
def test_impossible_parameters_are_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()


# What the paper's public code does (S010MON/image-locate, commit 7875c71, src/losses.py), from its own few lines: distances
# to negatives are numbers without a gradient.


def as_coded_by_loops(ground, aerial, margin=0.5):
    total = 0.0
    for i, anchor in enumerate(ground):
        positive = distance(anchor, aerial[i])
        farther = [distance(anchor, other).detach() for other in aerial if distance(anchor, other) > positive]
        excess = positive - min(farther) + margin if farther else 0 * positive
        total = total + (excess if excess > 0 else 0 * excess)
    return total / len(ground)


@pytest.mark.parametrize("noise", [0.1, 2.0])
def test_max_margin_as_coded_is_that_of_the_code(noise):
    loss = MaxMarginLoss(detached=True, zero_at_collapse=True)
    for seed in range(3):
        ground, aerial = pairs(noise=noise, seed=seed)
        expected = value_and_gradients(as_coded_by_loops, ground, aerial)
        torch.testing.assert_close(value_and_gradients(loss, ground, aerial), expected, rtol=1e-6, atol=1e-9)


def test_a_batch_on_one_point_costs_the_margin_or_with_the_switch_nothing():
    point = torch.zeros(4, 3)
    assert MaxMarginLoss()(point, point) == 0.5
    assert MaxMarginLoss(zero_at_collapse=True)(point, point) == 0


@pytest.mark.parametrize(("apart", "of_the_code"), [(0.0, 0.0), (0.5, 0.0), (0.6, 0.5)])
def test_towers_on_one_point_each_cost_in_the_code_what_rounding_decides_and_here_nothing(apart, of_the_code):
    """Lines of src/losses.py in NumPy: a float32 sum for positives, SciPy's float64 root, squared again, for negatives.

    Of towers that meet both are 0. Towers .6 apart cost the margin there, because the float32 sum is below the square.
    """
    ground, aerial = torch.zeros(4, 3), torch.full((4, 3), apart)
    positive = (ground - aerial).square().sum(1).numpy()
    negative = np.square(cdist(ground.numpy(), aerial.numpy()))
    nearest = np.where(negative > positive[:, None], negative, np.finfo(np.float32).max).min(axis=1)
    assert np.maximum(positive - nearest + 0.5, 0).mean() == pytest.approx(of_the_code, abs=1e-6)
    assert MaxMarginLoss(detached=True, zero_at_collapse=True)(ground, aerial) == 0


@pytest.mark.parametrize("loss", [MaxMarginLoss(detached=True), SoftMarginLoss(detached=True)])
def test_detached_negatives_pull_partners_together_and_push_nothing(loss):
    ground, aerial = pairs(noise=0.4)
    _, to_ground, to_aerial = value_and_gradients(loss, ground, aerial)
    step = 1e-4
    before = (ground - aerial).square().sum(1)
    after = (ground - step * to_ground - aerial + step * to_aerial).square().sum(1)
    assert (after <= before).all()
    torch.testing.assert_close(to_ground, -to_aerial)


def test_soft_margin_as_coded_has_one_right_direction_and_one_of_unrelated_pairs():
    ground, aerial = (x.detach() for x in pairs(count=5))
    table = squared_distances(ground, aerial)
    terms = []
    for i in range(5):
        for j in range(5):
            if i != j:  # negative j + 1 stands where the code has an image of another batch
                for own in (table[i, i], table[j - 1, j - 1]):
                    terms.append(math.log(1 + math.exp(10 * (own - table[i, j]))))
    loss = SoftMarginLoss(as_coded=True)
    assert float(loss(ground, aerial)) == pytest.approx(sum(terms) / len(terms))
    far = torch.tensor([[0.0], [0.0]]), torch.tensor([[3.0], [0.0]])  # 10 · 9 is beyond 88
    assert math.isinf(loss(*far))
    assert math.isfinite(SoftMarginLoss()(*far))


def test_infonce_of_distances_is_that_of_cosines_on_the_sphere():
    draw = torch.Generator().manual_seed(3)
    ground, aerial = (torch.nn.functional.normalize(torch.randn(6, 4, generator=draw), dim=1) for _ in range(2))
    assert torch.allclose(InfoNCELoss()(ground, aerial), InfoNCELoss(unit=False)(ground, aerial), atol=1e-6)
    assert torch.allclose(InfoNCELoss()(3 * ground, aerial), InfoNCELoss()(ground, aerial), atol=1e-6)
    assert not torch.allclose(InfoNCELoss(unit=False)(3 * ground, aerial), InfoNCELoss(unit=False)(ground, aerial))
