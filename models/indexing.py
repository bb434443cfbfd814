"""Writes the list of published networks (`published/architectures.csv`) anew from the libraries that are installed: `python -m models.indexing`.

Every network is built without memory for its weights (the meta device) and run once on shapes alone, which takes about
a second each; networks the libraries add later can be loaded by name all the same, they are only not searched or
recognised before this was run again.
"""

from __future__ import annotations

import argparse
import csv
import sys
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from models import hub
from models.architectures import ARCHITECTURES
from models.events import Event
from models.outline import outline_of
from models.published import INDEX, Architecture, Tag
from models.published.fingerprint import TRACKED, fingerprint, sketch
from models.structure import is_convolutional

PRIME = 1009
"""Outputs of the networks that are built: no layer has this width, so tensors with so many rows are the head's."""
FEW = 10
"""Linear layers for each convolution beyond which a network is none of convolutions (a vision transformer)."""


def architecture_row(key: str) -> Architecture:
    """What the index says about one architecture."""
    library = key.rpartition(":")[0]
    if library:
        entry = hub.entry_of(key)
        build, shape, licence = entry.build, entry.input.shape, entry.licence
        repositories, classes = hub.repositories(entry), entry.classes
    else:
        own = ARCHITECTURES[key]
        build, shape, licence, repositories = own.build, own.input.shape, "Apache-2.0", ()
        classes = len(own.labels)
    module = outline_of(lambda: build(PRIME)).eval()
    shapes = {n: tuple(t.shape) for n, t in module.state_dict().items() if not n.endswith(TRACKED)}
    heads = tuple(n for n, s in shapes.items() if s[:1] == (PRIME,))
    sizes = {n: p.numel() for n, p in module.named_parameters()}
    head = sum(size for n, size in sizes.items() if n in heads)
    return Architecture(
        key=key,
        family=type(module).__name__,
        body=sum(sizes.values()) - head,
        per_class=head // PRIME,
        tensors=len(shapes),
        shape=shape,
        convolutional=_convolutional(module, shape),
        heads=heads,
        fingerprint=fingerprint(shapes, heads),
        sketch=sketch(shapes),
        licence=licence,
        hub=repositories[0] if repositories else "",
        classes=classes,
    )


@torch.no_grad()
def _convolutional(module: nn.Module, shape: tuple[int, int, int]) -> bool:
    """The loader's own rule on shapes alone. Where the kinds of layers leave no doubt, or the network needs values to
    run, they decide."""
    kinds = [type(part) for part in module.modules()]
    convolutions, linear = (
        sum(issubclass(kind, wanted) for kind in kinds) for wanted in (nn.Conv2d, nn.Linear)
    )
    if convolutions >= linear or linear > FEW * convolutions:
        return convolutions >= linear
    events: list[Event] = []

    def record(name: str) -> Any:
        def hook(part: nn.Module, _inputs: Any, output: Any) -> None:
            if isinstance(output, torch.Tensor):
                events.append(Event(name, part, tuple(output.shape), 0, 0.0))

        return hook

    handles = [part.register_forward_hook(record(name)) for name, part in module.named_modules() if name]
    try:
        module(torch.zeros(1, *shape, device="meta"))
    except (RuntimeError, NotImplementedError, ValueError, TypeError):
        return False
    finally:
        for handle in handles:
            handle.remove()
    return is_convolutional(events)


def tags() -> Iterator[Tag]:
    """Every further set of published weights of a timm network."""
    import timm

    for name in timm.list_pretrained():
        config = timm.get_pretrained_cfg(name)
        if config is not None and config.hf_hub_id and config.num_classes:
            channels, height, width = config.input_size
            yield Tag(
                f"timm:{name}",
                (channels, height, width),
                int(config.num_classes),
                config.license or "",
                config.hf_hub_id,
            )


def keys() -> list[str]:
    """Our own architectures, then both libraries'."""
    libraries = [f"{library}:{name}" for library in ("torchvision", "timm") for name in hub.names(library)]
    return [*sorted(ARCHITECTURES), *libraries]


def rows(wanted: Sequence[str]) -> Iterator[list[str]]:
    """Lines of the index. Says on the screen which network could not be built."""
    from tqdm import tqdm

    for key in tqdm(wanted, unit="networks"):
        try:
            yield architecture_row(key).as_row()
        except Exception as error:  # one network of fifteen hundred that asks for another package
            sys.stderr.write(f"{key} was left out: {type(error).__name__}\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=INDEX)
    parser.add_argument("--part", default="0/1", help="i/n: only every n-th network, from the i-th on")
    chosen = parser.parse_args()
    part, parts = map(int, chosen.part.split("/"))
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    with chosen.out.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(Architecture.COLUMNS)
        writer.writerows(rows(keys()[part::parts]))
        if part == 0:
            writer.writerows(tag.as_row() for tag in tags())


if __name__ == "__main__":
    main()
