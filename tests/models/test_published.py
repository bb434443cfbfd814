"""The list of published networks against the libraries it was made from; which architecture a file is told to be."""

from __future__ import annotations

import json

import pytest
from safetensors.torch import save_file

import models
from app.core.errors import EvidentError, ModelRejected
from models import hub
from models.architectures import ARCHITECTURES
from models.header import read_header, without_prefix
from models.indexing import architecture_row, keys
from models.published import architectures, search, tags
from models.published.names import imagenet_labels, read_labels, usual_labels
from models.published.recognise import recognise

Shapes = dict[str, tuple[int, ...]]


def shapes_of(key: str, classes: int) -> Shapes:
    """Names and shapes of the real network with so many outputs."""
    return {name: tuple(t.shape) for name, t in models.architecture(key, classes)[0].state_dict().items()}


@pytest.mark.parametrize(
    "key", [*ARCHITECTURES, "timm:resnet18", "torchvision:squeezenet1_1", "timm:test_resnet"]
)
def test_a_line_of_the_list_is_what_the_library_builds_today(key: str) -> None:
    made = architecture_row(key)
    assert architectures()[key].as_row()[5:] == made.as_row()[5:]
    module = models.architecture(key, 7)[0]
    assert architectures()[key].parameters(7) == sum(p.numel() for p in module.parameters())


def test_the_list_holds_the_names_of_both_libraries() -> None:
    missing = set(keys()) - set(architectures())
    assert len(missing) < 15, sorted(missing)  # those that ask for another package
    assert not any(key.startswith("torchvision:") for key in missing)
    assert len(tags()) > 1000


@pytest.mark.parametrize(
    "key",
    [
        *ARCHITECTURES,
        "timm:resnet18",
        "timm:convnext_atto",
        "timm:mobilenetv3_small_050",
        "torchvision:regnet_y_400mf",
    ],
)
@pytest.mark.parametrize("classes", [7, 1000])
def test_an_architecture_is_told_from_names_and_shapes(key: str, classes: int) -> None:
    known = recognise(shapes_of(key, classes))
    assert key in [entry.key for entry in known.candidates]
    assert known.outputs == classes


def test_what_exports_leave_out_or_put_before_the_names_does_not_matter() -> None:
    shapes = shapes_of("timm:resnet18", 3)
    plain = {name: shape for name, shape in shapes.items() if not name.endswith("num_batches_tracked")}
    wrapped = {f"module.model.{name}": shape for name, shape in plain.items()}
    assert recognise(wrapped) == recognise(plain) == recognise(shapes)
    assert without_prefix({"features.0.weight": 1, "features.0.bias": 2}) == {
        "features.0.weight": 1,
        "features.0.bias": 2,
    }


def test_the_name_of_the_file_decides_between_networks_with_the_same_tensors() -> None:
    shapes = shapes_of("torchvision:resnet18", 1000)
    assert {"timm:resnet18", "torchvision:resnet18"} <= {entry.key for entry in recognise(shapes).candidates}
    for key in ("timm:resnet18", "torchvision:resnet18"):
        assert recognise(shapes, f"{key.replace(':', '_')}.safetensors").candidates[0].key == key
    effnet = shapes_of("timm:tf_efficientnet_b0", 1000)
    assert (
        recognise(effnet, "tf_efficientnet_b0_ns.safetensors").candidates[0].key == "timm:tf_efficientnet_b0"
    )
    assert recognise(effnet, "efficientnet_b0.safetensors").candidates[0].key == "timm:efficientnet_b0"


def test_a_file_of_no_known_network_names_the_nearest() -> None:
    shapes = shapes_of("timm:resnet18", 1000)
    del shapes["layer3.0.conv1.weight"]
    with pytest.raises(ModelRejected, match=r"nearest is (timm|torchvision):\w*resnet") as caught:
        recognise(shapes)
    assert caught.value.instance_code == "unknown_architecture"
    with pytest.raises(ModelRejected) as caught:
        recognise({"my.own.weight": (3, 3)})
    assert "nearest" not in caught.value.detail
    with pytest.raises(ModelRejected, match="vit_tiny_patch16_224, which is not a convolutional"):
        recognise(shapes_of("timm:vit_tiny_patch16_224", 1000), "vit_tiny_patch16_224.safetensors")


@pytest.mark.parametrize(
    "shapes",
    [
        {},
        {"": ()},
        {"fc.weight": (10**30, 10**30), "fc.bias": (10**30,)},
        {f"{i}": (1,) * 16 for i in range(10_000)},
        {"module." * 2000 + "x": (1,)},
        {"fc.weight": (), "fc.bias": ()},
        {"fc.weight": (0, 512), "fc.bias": (0,)},
    ],
)
def test_lies_in_a_header_are_refused(shapes: Shapes) -> None:
    with pytest.raises(ModelRejected):
        recognise(shapes)


def test_a_head_of_a_billion_rows_makes_no_billion_labels() -> None:
    shapes = shapes_of("timm:resnet18", 1000)
    shapes |= {"fc.weight": (10**9, 512), "fc.bias": (10**9,)}
    with pytest.raises(ModelRejected, match="25,000 outputs"):
        recognise(shapes)


def test_regnets_of_torchvision_load_too(tmp_path) -> None:
    """They read numbers out of tensors while they are built, which a network without memory cannot."""
    net, _ = models.architecture("torchvision:regnet_x_400mf", 3)
    save_file(
        {f"module.{n}": t.contiguous() for n, t in net.state_dict().items()}, tmp_path / "w.safetensors"
    )
    assert recognise(read_header(tmp_path / "w.safetensors").shapes).outputs == 3
    loaded = models.from_file(tmp_path / "w.safetensors", "torchvision:regnet_x_400mf", list("abc"))
    assert loaded.labels == ("a", "b", "c")


LISTS = {
    "lines": "cat\ndog\r\n\nhen\n",
    "with a heading": "label\ncat\ndog\nhen",
    "byte order mark": "\ufeffcat\ndog\nhen",
    "JSON list": '["cat", "dog", "hen"]',
    "JSON numbers to names": '{"2": "hen", "0": "cat", "1": "dog"}',
    "JSON names to numbers": '{"hen": 2, "cat": 0, "dog": 1}',
    "ImageNet's own": '{"0": ["n01", "cat"], "1": ["n02", "dog"], "2": ["n03", "hen"]}',
    "inside an object": '{"version": 1, "id2label": {"0": "cat", "1": "dog", "2": "hen"}}',
    "table by number": "1,dog\n0,cat\n2,hen\n",
    "table with headings": "index;label\n2;hen\n0;cat\n1;dog\n",
    "table, names first": "name,id\nhen,2\ncat,0\ndog,1",
    "quoted": 'id,label\n0,"cat"\n1,"dog"\n2,"hen"',
}


@pytest.mark.parametrize("text", LISTS.values(), ids=LISTS.keys())
def test_labels_in_the_forms_people_have_them(text: str) -> None:
    assert read_labels(text, 3) == ["cat", "dog", "hen"]


def test_names_with_commas_are_names() -> None:
    assert read_labels("tench, Tinca tinca\ngoldfish, Carassius auratus") == [
        "tench, Tinca tinca",
        "goldfish, Carassius auratus",
    ]
    assert read_labels("tench, Tinca tinca\nhen") == ["tench, Tinca tinca", "hen"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "2 to 25,000"),
        ("one", "2 to 25,000"),
        ("cat\ndog\ncat", "cat is there 2 times"),
        ("cat\ndog", "3 outputs but there are 2 labels"),
        ("[1, 2, 3]", "list of texts"),
        ("[" * 5000, "not valid JSON"),
        ('{"0": "cat", "1": "dog", "3": "hen"}', "without a gap"),
        ('{"0": "cat", "0x1": "dog", "2": "hen"}', "without a gap"),
        ("0,cat\n1,dog\n1,hen", "without a gap"),
        ("cat\ndog\nh\u202een", "control character"),
        ("cat\ndog\nh\x00en", "control character"),
        ("cat\ndog\n" + "x" * 500, "longer than 200"),
        ('["cat", "dog", " "]', "none of them empty"),
    ],
)
def test_labels_that_cannot_be_used_say_why(text: str, words: str) -> None:
    with pytest.raises(EvidentError, match=words):
        read_labels(text, 3)


def test_a_few_equal_names_among_many_are_told_apart() -> None:
    """ImageNet's usual list has two cranes."""
    labels = [f"bird {i}" for i in range(998)]
    read = read_labels("\n".join(["crane", *labels, "crane"]), 1000)
    assert (read[0], read[999], len(set(read))) == ("crane (0)", "crane (999)", 1000)


def test_labels_of_a_network_that_came_without() -> None:
    assert usual_labels(1000) == imagenet_labels()
    assert len(set(imagenet_labels())) == 1000
    assert usual_labels(2, {"labels": json.dumps(["ill", "well"])}) == ("ill", "well")
    assert usual_labels(3, {"labels": json.dumps(["ill", "well"])}) == ("class 0", "class 1", "class 2")
    assert usual_labels(1) == ("class 0", "class 1")


def found(query: str) -> list[str]:
    return [name.key for name in search.search(query)]


def test_a_search_finds_what_is_typed_likeliest_first() -> None:
    assert found("timm:resnet18")[0] == "timm:resnet18"
    assert found("ResNet18")[:2] in (
        ["timm:resnet18", "torchvision:resnet18"],
        ["torchvision:resnet18", "timm:resnet18"],
    )
    resnets = [key for key in found("resn") if key.startswith("timm:resnet")]
    assert resnets.index("timm:resnet18") < resnets.index("timm:resnet34") < resnets.index("timm:resnet101")
    assert all("50" in key and "resnext" in key for key in found("resnext 50"))
    assert found("") == list(search.POPULAR)
    assert "timm:resnet50.a1_in1k" in found("resnet50.a1")
    assert "timm:resnet50.a1_in1k" not in found("resnet50")
    assert found("no such network") == []
    assert search.nearest("resnet81") in ("timm:resnet18", "timm:resnet101", "timm:resnet61q")
    assert search.nearest("zzzzzzzzzz") is None


def test_a_name_says_what_it_costs_and_why_it_cannot_be_had() -> None:
    resnet, squeezenet, transformer = (
        search.by_key()[key]
        for key in ("timm:resnet18", "torchvision:squeezenet1_1", "timm:vit_tiny_patch16_224")
    )
    assert (resnet.parameters, resnet.shape, resnet.licence) == (11_689_512, (3, 224, 224), "Apache-2.0")
    assert resnet.hub == hub.entry_of("timm:resnet18").hub
    assert (resnet.reason, squeezenet.reason, transformer.reason) == ("", search.PICKLE, search.TOKENS)
