"""Registry: a mapping that is filled by a decorator. Its entries are the modules of one package, imported on
first use, so there is no list to edit."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Generic, TypeVar

from app.core.errors import NotFound

T = TypeVar("T")


class Registry(Mapping[str, T], Generic[T]):
    """Instances by key. Duplicate keys are refused; an unknown key names the nearest ones."""

    def __init__(self, what: str, package: str) -> None:
        self._what, self._package = what, package
        self._entries: dict[str, T] = {}
        self._loaded = False

    def register(self, cls: Callable[[], T]) -> Callable[[], T]:
        """Class decorator: instantiates once and files it under its attribute `key`."""
        entry: Any = cls()
        if entry.key in self._entries:
            raise ValueError(f"two {self._what}s are called {entry.key!r}")
        self._entries[entry.key] = entry
        return cls

    def _load(self) -> None:
        if not self._loaded:
            self._loaded = True
            package = importlib.import_module(self._package)
            for info in pkgutil.iter_modules(package.__path__):
                importlib.import_module(f"{self._package}.{info.name}")

    def __getitem__(self, key: str) -> T:
        self._load()
        try:
            return self._entries[key]
        except (KeyError, TypeError):
            near = difflib.get_close_matches(str(key), self._entries, n=1)
            hint = f" Did you mean {near[0]}?" if near else f" There are: {', '.join(sorted(self._entries))}."
            raise NotFound(
                f"There is no {self._what} of that name.{hint}",
                code=f"unknown_{self._what}",
                field=self._what,
            ) from None

    def __contains__(self, key: object) -> bool:
        self._load()
        return key in self._entries

    def __iter__(self) -> Iterator[str]:
        self._load()
        return iter(sorted(self._entries, key=lambda key: (getattr(self._entries[key], "order", 100), key)))

    def __len__(self) -> int:
        self._load()
        return len(self._entries)
