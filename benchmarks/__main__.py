"""The command line: ``python -m benchmarks``."""

import tempfile
from pathlib import Path

from jsonargparse import ArgumentParser
from jsonargparse.typing import PositiveInt
from tqdm import tqdm

from benchmarks import feeding, gpu, predicting, preparing, starting, training
from benchmarks.commands import Survey
from benchmarks.rows import Row, table
from data_prep.common.environment import describe_environment
from data_prep.common.json_files import write_json
from data_prep.common.plain_help import PlainHelp
from galaxy_lightning.runtime.allocator import keep_freed_memory

GROUPS = {
    "training": training.measure,
    "feeding": feeding.measure,
    "preparing": preparing.measure,
    "predicting": predicting.measure,
    "starting": starting.measure,
    "gpu": gpu.measure,
}


def main() -> None:
    """Measures, prints the table, and writes it as JSON."""
    parser = ArgumentParser(
        prog="python -m benchmarks",
        description="How fast everything is, as ratios from one run, beside what the machine can do at best. "
        "Run it from the repository's folder, on a machine that does nothing else. Simulated galaxies; "
        "what is measured are the real commands, each in a process of its own.",
        formatter_class=PlainHelp,
    )
    parser.add_argument(
        "--only", nargs="+", choices=list(GROUPS), default=list(GROUPS), help="groups to measure; all"
    )
    parser.add_argument("--repeats", type=PositiveInt, default=3, help="how often everything is measured")
    parser.add_argument("--out", type=Path | None, default=None, metavar="FILE", help="JSON to write")
    options = parser.parse_args()
    keep_freed_memory()
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as name, tqdm(total=len(options.only) + 1, unit="group") as bar:
        bar.set_description("simulating")
        survey = Survey(Path(name), 1000)
        bar.update()
        for group in options.only:
            bar.set_description(group)
            rows += GROUPS[group](survey, options.repeats)
            bar.update()
    about = describe_environment("torch", "lightning", "tensorflow", "pillow")
    print("\n".join(table(rows)))
    print(f"\n{about['processor']}; medians of {options.repeats}")
    if options.out:
        write_json(options.out, {"rows": [row.state() for row in rows], **about})


if __name__ == "__main__":
    main()
