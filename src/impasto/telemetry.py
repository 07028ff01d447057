"""Other people's libraries report nothing and leave no files in the home folder: how each of them is told.

Every import of a library that could report stands in `with without_telemetry():`. The command line calls
`keep_files_in_cache` as well, before anything is imported. docs/how-to/offline.md is the promise and
tests/test_offline.py its proof.
"""

import contextlib
import os
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from types import ModuleType

from impasto.files import cache_folder

SWITCHES: Mapping[str, str] = {
    "GRADIO_ANALYTICS_ENABLED": "False",
    "HF_HUB_DISABLE_TELEMETRY": "1",  # huggingface_hub, hf_xet, datasets
    "HF_HUB_DISABLE_UPDATE_CHECK": "1",
    "HF_UPDATE_DOWNLOAD_COUNTS": "0",  # datasets
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "ORT_DISABLE_TELEMETRY": "1",  # ONNX Runtime, when it is loaded; `disable_telemetry_events` is too late
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_USAGE_STATS_PROMPT_ENABLED": "0",
    "WANDB_ERROR_REPORTING": "false",
}
"""Environment variables: processes that we start, and those that the libraries start, inherit them."""

PLACES: Mapping[str, str] = {
    "CUDA_CACHE_PATH": "cuda",
    "HF_XET_CACHE": "huggingface/xet",
    "MPLCONFIGDIR": "matplotlib",
    "WANDB_CACHE_DIR": "wandb",
    "WANDB_DATA_DIR": "wandb/data",
}
"""Environment variables of libraries that keep files, and their folder below our cache.

Not those that would hide what a person has put there: a login, a configuration, weights in `TORCH_HOME`.
"""

_lock = threading.Lock()
_inside: Counter[str] = Counter()  # how many are inside `hidden`, by module
_before: dict[str, ModuleType | None] = {}


@contextlib.contextmanager
def without_telemetry() -> Iterator[None]:
    """What is imported inside reports nothing, now and later.

    OpenVINO has no switch. It reports through a package of its own, unless that is not installed, which is
    what it finds here.
    """
    os.environ.update(SWITCHES)
    try:
        with hidden("openvino_telemetry"):
            yield
    finally:
        with contextlib.suppress(KeyError, AttributeError):  # not imported, or only half of it
            sys.modules["onnxruntime"].disable_telemetry_events()  # what Windows collects


@contextlib.contextmanager
def hidden(module: str) -> Iterator[None]:
    """Inside, importing a module fails as if it were not installed; in all threads, to the last one's end."""
    modules: dict[str, ModuleType | None] = sys.modules  # type: ignore[assignment]
    with _lock:
        if not _inside[module] and module in modules:
            _before[module] = modules[module]
        _inside[module] += 1
        modules[module] = None
    try:
        yield
    finally:
        with _lock:
            _inside[module] -= 1
            if not _inside[module]:
                del modules[module]
                if module in _before:
                    modules[module] = _before.pop(module)


def keep_files_in_cache() -> None:
    """Set the `PLACES` of this process and of those it starts, but for those that are set already.

    For programs only: in a process of somebody else's, a library keeps what that process wants.
    """
    for name, below in PLACES.items():
        os.environ.setdefault(name, str(cache_folder() / below))
