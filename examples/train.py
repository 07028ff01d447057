"""Train from Python, with a word of your own for what happens.

python examples/train.py pictures run 20
"""

import sys

import impasto
from impasto.training.logging.events import Evaluated, Event, Verdict


def tell(event: Event) -> None:
    """A sink: training calls it with every event (impasto/training/logging/events.py lists them)."""
    match event:
        case Evaluated():
            mark = ", the best so far" if event.best else ""
            print(f"{event.images_seen:,} pictures: KID-lite0 {event.distance:.3f}{mark}")
        case Verdict():
            print(f"{event.kind}: {event.evidence} {event.advice}")


def main(pictures: str, out: str, minutes: str, *settings: str) -> None:
    # Settings are those of `--set`: image.size=32, loss.r1_weight=1, ...
    run = impasto.train(pictures, out, minutes=float(minutes), overrides=settings, resume=True, sinks=[tell])
    print(f"{run.images_seen:,} pictures in {run.seconds:.0f} s; it stopped because {run.reason.words}")

    model = impasto.load(out)  # the best snapshot
    for seed, picture in enumerate(model.generate(range(4))):
        model.save(picture, f"{out}/{seed}.png")  # with the recipe that makes it again
    report = impasto.evaluate(model, pictures, samples=64)  # a thousand say more
    print(f"precision {report['precision']:.2f}, recall {report['recall']:.2f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
