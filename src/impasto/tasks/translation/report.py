"""How good a translator is on pairs that it never trained on: the function behind `impasto evaluate`."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from impasto.data.layouts import open_layouts
from impasto.errors import InputError
from impasto.files import read_json
from impasto.image.codec import to_uint8
from impasto.metrics.report import report, see
from impasto.nn.features import load_lite0
from impasto.tasks.translation.evaluation import Comparison, PairJudge
from impasto.tasks.translation.inference import LayoutTranslator
from impasto.tasks.translation.learner import translate_rows
from impasto.training.checkpoints import CARD, find_model

MOST_PAIRS, MOST_TRAINING = 500, 2_000
LEAST_PAIRS = 8  # for how new translations are


def is_translator(model: str | Path) -> bool:
    """Whether a run or a model is of this task; what cannot be read is none."""
    try:
        tree = read_json(find_model(model) / CARD)
        return bool(tree["config"]["task"] == "translation")
    except (InputError, OSError, ValueError, KeyError, TypeError):
        return False


def compare_pairs(
    translator: LayoutTranslator,
    against: str | Path,
    pairs: str | Path,
    *,
    progress: Callable[[str, int, int], None] | None = None,
    warn: Callable[[str], None] = lambda words: None,
) -> dict[str, Any]:
    """The figures of translations of held-out layouts, and those of as many pictures that were trained on.

    Args:
        translator: The translator.
        against: Folder of the layouts, or of files that hold both. Of the folders it was trained on the pairs
            count that were held out, of others all, up to `MOST_PAIRS`.
        pairs: Folder of the pictures, or one of `data.pair_files.SIDE_BY_SIDE`.
        progress: Is told what is done, how much of it, of how much. None: nobody is told.
        warn: Is told how the pairs were read.

    Returns:
        Fields of `Comparison`. Where it is known what was trained on, with `of_training_pictures`, KID-lite0
        and FD-lite0 of pictures that were; and, of eight pairs or more, `panel`: how good and how new the
        translations are, as `metrics.report.Report.to_dict` has it, by the first seed.

    Raises:
        InputError: The pairs cannot be read, or they are fewer than two.
    """
    config = translator.config
    how = config.data, config.image, config.layout
    data, _ = open_layouts(Path(against), pairs, *how, seed=config.train.seed, progress=progress)
    for words in data.notes:
        warn(words)
    known = data.fingerprint == translator.info.data.get("fingerprint")
    rows = data.holdout(MOST_PAIRS) if known else data.all_pairs(MOST_PAIRS)
    if not known:
        warn("These are not the pairs that the model was trained on: all of them are compared.")
    judge = PairJudge(np.ascontiguousarray(rows[..., -3:]), translator.device)

    made: list[NDArray[np.uint8]] = []

    def translate(index: int, seeds: Sequence[int]) -> Tensor:
        if progress:
            progress("translating", index + 1, len(rows))
        translations = translate_rows(
            translator.network, rows[index : index + 1], seeds, translator.layout, translator.device
        )
        made.append(to_uint8(translations[:1]))
        return translations

    found: Comparison = judge.compare(translate)
    result: dict[str, Any] = found.to_dict()
    if known:
        trained = np.ascontiguousarray(data.some_to_train_on(len(rows))[..., -3:])
        result["of_training_pictures"] = judge.distances_of(trained)
    if known and len(rows) >= LEAST_PAIRS:
        known_ones = data.some_to_train_on(MOST_TRAINING)[..., -3:]
        net, rng = load_lite0(translator.device), torch.Generator().manual_seed(config.train.seed)
        real, fake, train = (
            see(net, np.ascontiguousarray(x)) for x in (rows[..., -3:], np.concatenate(made), known_ones)
        )
        result["panel"] = report(real, fake, rng, train).to_dict()
    return result


NAMES = {
    "kid": "KID-lite0",
    "frechet_distance": "FD-lite0",
    "to_truth": "distance in features to the true picture",
    "to_another": "the same to another layout's picture",
    "seed_variety": "variety over seeds, unlike pictures' being 1",
    "pairs": "pairs",
}
