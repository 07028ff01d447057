"""The command line of a training: made of names that are looked up, of numbers, and of two with an x between.

Nothing else can come in, whoever wrote `job.json`: no address, no command of a shell, no option.
"""

import json
from pathlib import Path

from impasto.studio.catalogue import Catalogue
from impasto.studio.schemas import Train


def train_command(plan: Train, out: Path, catalogue: Catalogue) -> list[str]:
    """What `impasto` is told to train into the folder `out`, or to go on with the run there.

    Raises `NotHere` for pictures or a model that are not in the catalogue, and `Refused` (409) for a link
    among the pictures that leads out of its folders.
    """
    pictures = catalogue.folder_to_read(plan.pictures)
    # Named each time: the state of a run that somebody else saved could name any table of this computer.
    themes = "themes.json" if (pictures / "themes.json").is_file() else "folders"
    command = ["train", str(pictures), "--out", str(out), "--resume", "--set", f"data.themes={themes}"]
    if plan.preset is not None:
        command += ["--preset", plan.preset]
    if plan.size is not None:
        command += ["--size", str(plan.size)]
    for key, value in plan.settings.items():
        command += ["--set", f"{key}={json.dumps(value)}"]
    for option, limit in (("--minutes", plan.minutes), ("--images", plan.images)):
        command += [] if limit is None else [option, str(limit)]
    command += ["--until-converged"] if plan.until_converged else []
    command += ["--dedupe"] if plan.dedupe else []
    if plan.begin_with is not None:
        entry = catalogue.entry(plan.begin_with)
        command += ["--from", entry.name if entry.shipped else str(entry.folder)]
    return command
