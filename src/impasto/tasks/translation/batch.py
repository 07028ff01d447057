"""Many layouts translated: which files are meant, where each goes, and what becomes of bad ones."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from impasto.data.walk import describe, walk
from impasto.errors import ImpastoError, InputError
from impasto.outputs import check_folder, note, refuse_existing
from impasto.tasks.translation.inference import LayoutTranslator


@dataclass(frozen=True)
class Job:
    """One layout and where its translations go, one for each seed."""

    source: Path
    targets: tuple[Path, ...]


@dataclass(frozen=True)
class Outcome:
    """What became of a job: how many pictures were made, `error` where it failed, and what is to be known."""

    job: Job
    made: int = 0
    error: str = ""
    notes: tuple[str, ...] = ()


def plan_jobs(
    inputs: Sequence[str],
    out: Path,
    seeds: Sequence[int],
    format_: str = "png",
    *,
    warn: Callable[[str], None] = lambda words: None,
) -> list[Job]:
    """The jobs of files and folders, in order; a folder's structure is kept below `out`.

    One seed gives `stem.png`, several `stem-0003.png`.

    Args:
        inputs: Files and folders.
        out: Folder of the results.
        seeds: The seeds, at least one.
        format_: Suffix of the results.
        warn: Is told what is left out of a folder.

    Raises:
        InputError: An input does not exist or is an empty folder, two layouts would have one target, or `out`
            cannot be a folder.
    """
    check_folder(out)
    width = max(4, len(str(max(seeds))))
    jobs: list[Job] = []
    taken: dict[Path, Path] = {}
    for source, below in _found(inputs, out, warn):
        endings = [""] if len(seeds) == 1 else [f"-{seed:0{width}}" for seed in seeds]
        targets = tuple(out / below.with_name(f"{below.stem}{ending}.{format_}") for ending in endings)
        for target in targets:
            other = taken.setdefault(target, source)
            if other.resolve() != source.resolve():
                raise InputError(
                    f"'{other}' and '{source}' would both become '{target}'",
                    "give them in two goes, or to two folders",
                )
            if target.resolve() == source.resolve():
                raise InputError(f"'{source}' would be written over", "choose another --out")
        jobs.append(Job(source, targets))
    return jobs


def refuse_targets(jobs: Sequence[Job], existing: str) -> None:
    """Raises `InputError`, before the work, for targets that are there and not to be skipped or replaced."""
    files = (file for job in jobs for target in job.targets for file in (target, target.with_suffix(".json")))
    wanted = (file for file in files if not (existing == "skip" and file.is_file()))
    hint = "--skip-existing leaves them, --overwrite replaces them"
    refuse_existing(wanted, overwrite=existing == "replace", hint=hint)


def translate_all(
    translator: LayoutTranslator,
    jobs: Sequence[Job],
    seeds: Sequence[int],
    *,
    existing: str = "refuse",
    strict: bool = False,
    watch: Callable[[int, int], None] = lambda done, of: None,
) -> list[Outcome]:
    """Translate every layout by every seed; one that fails costs itself alone.

    Args:
        translator: The translator.
        jobs: The layouts and where their pictures go, in the order of `seeds`.
        seeds: The seeds.
        existing: "skip" leaves pictures that are there.
        strict: Whether layouts with unknown colours fail.
        watch: Is told after each layout how many are done, of how many.
    """
    outcomes = []
    for done, job in enumerate(jobs, start=1):
        outcomes.append(_translate(translator, job, seeds, existing, strict=strict))
        watch(done, len(jobs))
    return outcomes


def _translate(
    translator: LayoutTranslator, job: Job, seeds: Sequence[int], existing: str, *, strict: bool
) -> Outcome:
    wanted = [
        (seed, target)
        for seed, target in zip(seeds, job.targets, strict=True)
        if not (existing == "skip" and target.is_file())
    ]
    made = 0
    try:
        if not wanted:
            return Outcome(job)
        prepared = translator.prepare(job.source, strict=strict)
        for seed, target in wanted:
            target.parent.mkdir(parents=True, exist_ok=True)
            for file in (target, target.with_suffix(".json")):
                note(file)
            translator.save(translator.make(prepared, seed, job.source.name), target)
            made += 1
    except ImpastoError as error:
        return Outcome(job, made, f"{job.source} {error.message}")
    except (OSError, MemoryError, RuntimeError) as error:  # PyTorch says so where memory is short
        words = str(error).splitlines()[0] if str(error) else "needs more memory than there is"
        return Outcome(job, made, f"{job.source} could not be translated: {words}")
    return Outcome(job, made, notes=prepared.notes)


def _found(inputs: Sequence[str], out: Path, warn: Callable[[str], None]) -> Iterator[tuple[Path, Path]]:
    """Every layout that is meant, with its path below the output folder."""
    for text in inputs:
        path = Path(text)
        if path.is_dir():
            found = walk(path, out)
            if not found.pictures:
                raise InputError(
                    f"there are no pictures in '{path}'",
                    describe(found.left_out) or "give a folder of layouts",
                )
            if found.left_out:
                warn(describe(found.left_out))
            yield from ((path / file.path, Path(file.path)) for file in found.pictures)
        elif path.exists():
            yield path, Path(path.name)
        else:
            raise InputError(f"there is no file or folder '{text}'", "give layouts, or a folder of them")
