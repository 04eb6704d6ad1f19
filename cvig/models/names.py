"""Names of architectures, which settings are checked by without waiting for torch."""

ARCHITECTURES = ("vgg16", "resnet50", "cvm-net-i")
# `cvig.models.trunks.small_trunk`, which trains in seconds; the second for towers that are shared, where batch norm would
# mix two statistics
SMALL = ("conv4", "conv4-layernorm")


def trunk_name(arch: str) -> str:
    """The name of the model that is the trunk of architecture `arch`; ValueError for an unknown architecture."""
    if arch in (*ARCHITECTURES, *SMALL):
        return "vgg16" if arch == "cvm-net-i" else arch
    import torchvision

    if arch not in torchvision.models.list_models(module=torchvision.models):
        raise ValueError(
            f"unknown architecture '{arch}': expected one of {', '.join((*ARCHITECTURES, *SMALL))}, "
            "or the name of a torchvision classification model such as resnet18"
        )
    return arch
