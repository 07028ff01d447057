"""What workers of a cluster do: enlarge pictures, make pictures from seeds."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from impasto.cluster.workers import distribute
from impasto.errors import ImageError
from impasto.files import LEFTOVER
from impasto.image.files import read_metadata
from impasto.outputs import check_folder, note, refuse_existing
from impasto.tasks.generation.sampling.model import Model, load
from impasto.tasks.generation.sampling.recipe import KEY, Recipe
from impasto.tasks.upscaling.inference.batch import Job, Outcome, already, one_job
from impasto.tasks.upscaling.inference.kinds import open_upscaler

SEEDS_IN_A_TASK = 16


@dataclass(frozen=True)
class Team:
    """Where the work is done: `address` and the rest as `workers.distribute` takes it."""

    address: str
    cores: int = 1
    workers: int | None = None
    device: str = "cpu"

    @property
    def options(self) -> dict[str, Any]:
        """For `distribute`."""
        gpus = 1 if self.device.startswith("cuda") else 0
        return {"address": self.address, "cores": self.cores, "workers": self.workers, "gpus": gpus}


def upscale_all(
    model: str,
    engine: str,
    tile: int | None,
    jobs: Sequence[Job],
    team: Team,
    *,
    existing: str = "refuse",
    watch: Callable[[int, int], None] = lambda done, lost: None,
    **settings: Any,
) -> list[Outcome]:
    """Enlarge pictures on a cluster: `batch.upscale_all` for sources and targets that every worker sees.

    What is there already is looked at before anything begins: what a dying worker had written is not refused,
    but written again.

    Args:
        model: What `open_upscaler` takes: a name, or a folder or file that every worker sees.
        engine: Name of the engine.
        tile: Side of what is computed at once, in px. None: as large as is good.
        jobs: The pictures and where they go.
        team: Where the work is done.
        existing: What to do where a target is there: "refuse", "skip" or "replace".
        watch: Is told how many pictures are done and how many workers were lost.
        **settings: Those of `PictureUpscaler.file`.

    Returns:
        What became of each job, in their order.

    Raises:
        MissingDependencyError: Ray is not installed.
        InputError: There is no such cluster, or it has no room.
        ClusterError: No worker gets anything done.
    """
    there = {job: outcome for job in jobs if (outcome := already(job, existing)) is not None}
    todo = [job for job in jobs if job not in there]
    tasks = [Job(job.source.resolve(), job.target.resolve()) for job in todo]
    where = str(Path(model).resolve()) if Path(model).exists() else model
    open_ = partial(_open_upscaler, where, engine, tile, team.device, team.cores, settings)
    made = distribute(tasks, open_, _given_up, watch=watch, **team.options)
    _tidy(job.target for job in tasks)
    there |= {job: replace(outcome, job=job) for job, outcome in zip(todo, made, strict=True)}
    return [there[job] for job in jobs]


def generate_all(
    model: Model,
    seeds: Sequence[int],
    out: Path,
    name: Callable[[int], str],
    team: Team,
    *,
    existing: str = "refuse",
    watch: Callable[[int, int], None] = lambda done, lost: None,
    **asked: Any,
) -> tuple[int, list[str]]:
    """Make and save the pictures of seeds on a cluster, each with its recipe.

    What is there with the same recipe is left: a second call goes on where a first one ended.

    Args:
        model: The model; every worker sees its folder.
        seeds: The seeds.
        out: Folder of the pictures; every worker sees it.
        name: Gives the name of a seed's file.
        team: Where the work is done.
        existing: What to do where something else is there: "refuse", "skip" or "replace".
        watch: Is told how many pictures are done, those that were there already apart, and how many workers
            were lost.
        **asked: What `Model.seed_point` takes beside the seed.

    Returns:
        How many pictures were there already or skipped, and what went wrong, in words.

    Raises:
        MissingDependencyError: Ray is not installed.
        InputError: Something else is there that is not to be replaced, what is asked cannot be done, or there
            is no such cluster.
        ClusterError: No worker gets anything done.
    """
    texts = {seed: model.recipe(model.seed_point(seed, **asked)).to_json() for seed in seeds}
    todo = [seed for seed in seeds if not _is_whole(out / name(seed), texts[seed])]
    if existing == "skip":
        todo = [seed for seed in todo if not (out / name(seed)).exists()]
    check_folder(out)
    others = (out / name(seed) for seed in todo if not _is_ours(out / name(seed), texts[seed]))
    refuse_existing(others, overwrite=existing == "replace")
    out.mkdir(parents=True, exist_ok=True)
    chunks = [todo[start : start + SEEDS_IN_A_TASK] for start in range(0, len(todo), SEEDS_IN_A_TASK)]
    files = {seed: str((out / name(seed)).resolve()) for seed in todo}
    tasks = [{seed: (texts[seed], files[seed]) for seed in chunk} for chunk in chunks]
    open_ = partial(_open_generator, str(model.folder.resolve()), team.device, team.cores)
    said = distribute(tasks, open_, _not_made, size=len, watch=watch, **team.options)
    _tidy(path.with_suffix(suffix) for path in map(Path, files.values()) for suffix in (path.suffix, ".json"))
    return len(seeds) - len(todo), [words for words in said if words]


def _tidy(targets: Iterable[Path]) -> None:
    """Remove the halves of these files that workers left who died while they wrote."""
    ours: dict[Path, set[str]] = {}
    for target in targets:
        ours.setdefault(target.parent, set()).add(target.name)
    for folder, names in ours.items():
        for path in folder.glob(".*.tmp"):
            written = LEFTOVER.fullmatch(path.name)
            if written and written[1] in names:
                path.unlink(missing_ok=True)


def _is_whole(path: Path, recipe: str) -> bool:
    """The recipe beside a picture is written after it."""
    beside = path.with_suffix(".json")
    return path.is_file() and beside.is_file() and beside.read_text(encoding="utf-8") == recipe


def _is_ours(path: Path, recipe: str) -> bool:
    """Whether a picture was written by a worker that died before it wrote the recipe beside it."""
    try:
        return path.is_file() and read_metadata(path).get(KEY) == recipe
    except ImageError:
        return False


def _given_up(job: Job, why: str) -> Outcome:
    return Outcome(job, error=f"'{job.source}': {why}")


def _not_made(task: Mapping[int, tuple[str, str]], why: str) -> str:
    return f"seeds {min(task)} to {max(task)}: {why}"


def _open_upscaler(
    model: str, engine: str, tile: int | None, device: str, cores: int, settings: Mapping[str, Any]
) -> Callable[[Job], Outcome]:
    torch.set_num_threads(cores)
    upscaler = open_upscaler(model, engine=engine, tile=tile, device=device)

    def enlarge(job: Job) -> Outcome:
        return one_job(upscaler, job, existing="replace", **settings)

    return enlarge


def _open_generator(model: str, device: str, cores: int) -> Callable[[Mapping[int, tuple[str, str]]], str]:
    torch.set_num_threads(cores)
    generator = load(model, device=device)

    def make(task: Mapping[int, tuple[str, str]]) -> str:
        for text, path in task.values():
            picture = generator.make(Recipe.model_validate_json(text))
            note(Path(path))
            generator.save(picture, path)
        return ""

    return make
