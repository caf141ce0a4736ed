"""The models most recently asked for, kept in memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from serving.loading import LoadedModel


class ModelCache:
    """Loads each model once and keeps the `capacity` most recently used; safe to use from several threads."""

    def __init__(self, load: Callable[[str], LoadedModel], capacity: int) -> None:
        self._load = load
        self._capacity = capacity
        self._lock = Lock()
        self._models: OrderedDict[str, Future[LoadedModel]] = OrderedDict()

    def get(self, artifact_uri: str) -> LoadedModel:
        """Return the model, loading it if need be; who asks for one that is being loaded waits for it.

        Whatever loading raises is raised to all who waited, and is forgotten: the next call tries again.
        """
        model, is_ours_to_load = self._find_or_reserve(artifact_uri)
        if is_ours_to_load:
            self._fill(artifact_uri, model)
        return model.result()

    def _find_or_reserve(self, artifact_uri: str) -> tuple[Future[LoadedModel], bool]:
        with self._lock:
            found = self._models.get(artifact_uri)
            if found is not None:
                self._models.move_to_end(artifact_uri)
                return found, False
            reserved: Future[LoadedModel] = Future()
            self._models[artifact_uri] = reserved
            # Those who wait for an evicted model hold its future themselves.
            while len(self._models) > self._capacity:
                self._models.popitem(last=False)
            return reserved, True

    def _fill(self, artifact_uri: str, model: Future[LoadedModel]) -> None:
        try:
            model.set_result(self._load(artifact_uri))
        except BaseException as error:
            with self._lock:
                if self._models.get(artifact_uri) is model:
                    del self._models[artifact_uri]
            model.set_exception(error)
            raise
