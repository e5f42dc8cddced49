"""Make a study of runs and folders, as ``ganzoo study`` does."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ganzoo.errors import GanzooError
from ganzoo.evaluation.study.files import KEY, PAGE, require_free, write_study
from ganzoo.evaluation.study.sources import is_run, labels_of, read_folder, read_source
from ganzoo.evaluation.study.trials import REAL, Task, make_trials
from ganzoo.utils.console import Console
from ganzoo.utils.paths import require_folder

LONGEST = 3600
"""The most seconds for which images are shown, then hidden; a browser's timer of weeks ends at once."""


def make_study(
    runs: Sequence[Path],
    out: Path,
    *,
    task: Task,
    real: Path | None,
    trials: int,
    practice: int,
    seconds: float,
    question: str,
    side: int,
    direction: str | None,
    checkpoint: str,
    seed: int,
    device: str,
) -> None:
    """Write the page and the key of a study, and print where they are.

    Args:
        runs: folders of runs, or of translated images.
        out: the folder of the study.
        task: ``real-or-fake`` or ``better``.
        real: the folder of real images; None: those of the first run.
        trials, practice, side, seed: see ``make_trials``.
        seconds, question: see ``write_study``; at most ``LONGEST`` seconds.
        direction, checkpoint, device: of runs; see ``Translator``.

    Raises GanzooError as the functions that it calls, for other ``seconds``, and if there are no real images.
    """
    if not 0 <= seconds <= LONGEST:  # true for NaN, too
        raise GanzooError(f"--seconds {seconds}: it must be from 0 to {LONGEST}; 0 shows the images until the answer")
    labels = labels_of(runs)
    if REAL in labels:
        raise GanzooError(f"a folder is called {REAL!r}, which stands for the real images in the results: rename it")
    require_free(out)  # before anything is translated
    require_folder("-o", out)
    if real and task == "better":
        raise GanzooError("--real: better shows translations only; leave --real out, or choose --task real-or-fake")
    given = {"--direction": direction, "--checkpoint": checkpoint, "--device": device}
    unread = [option for option, value in given.items() if value]
    if unread and not any(map(is_run, runs)):
        raise GanzooError(f"{' and '.join(unread)}: only for runs, and there are only folders of images; leave it out")
    sources = [
        read_source(place, label, direction=direction, checkpoint=checkpoint, device=device)
        for place, label in zip(runs, labels, strict=True)
    ]
    images = read_folder(real) if real else next((one.real for one in sources if one.real), {})
    if task == "real-or-fake" and not images:
        raise GanzooError("folders of translations hold no real images to compare with: add --real FOLDER")
    made = make_trials(task, sources, images, trials=trials, practice=practice, side=side, seed=seed)
    write_study(out, task, labels, made, question=question, seconds=seconds)
    console = Console()
    console.say(f"{out / PAGE}: {practice} trials for practice, {len(made) - practice} that count; give it to people")
    console.say(f"{out / KEY}: what they showed; keep it")
