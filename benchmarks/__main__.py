"""The command line: ``python -m benchmarks``."""

import tempfile
from pathlib import Path

from jsonargparse import ArgumentParser
from jsonargparse.typing import PositiveInt
from tqdm import tqdm

from benchmarks import feeding, gpu, predicting, preparing, reading, starting, training
from benchmarks.commands import Survey
from benchmarks.rows import Row, format_table
from data_prep.common.environment import describe_environment
from data_prep.common.json_files import write_json
from data_prep.common.plain_help import PlainHelp
from galaxy_lightning.runtime.allocator import keep_freed_memory

GROUPS = {
    "training": training.measure,
    "feeding": feeding.measure,
    "preparing": preparing.measure,
    "reading": reading.measure,
    "predicting": predicting.measure,
    "starting": starting.measure,
    "gpu": gpu.measure,
}


def main() -> None:
    """Runs the benchmarks, prints the table, and writes it as JSON."""
    parser = ArgumentParser(
        prog="python -m benchmarks",
        description="Measure speed and memory, as ratios from one run, and compare them with the limits of "
        "the machine. Run it from the repository's folder, on an otherwise idle machine. It simulates "
        "galaxies and runs the real commands, each in a separate process.",
        formatter_class=PlainHelp,
    )
    parser.add_argument(
        "--only", nargs="+", choices=list(GROUPS), default=list(GROUPS), help="groups to measure"
    )
    parser.add_argument("--repeats", type=PositiveInt, default=3, help="number of repeats")
    parser.add_argument("--out", type=Path | None, default=None, metavar="FILE", help="JSON file to write")
    options = parser.parse_args()
    keep_freed_memory()
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as name, tqdm(total=len(options.only) + 1, unit=" groups") as bar:
        bar.set_description("simulating")
        survey = Survey(Path(name), 1000)
        bar.update()
        for group in options.only:
            bar.set_description(group)
            rows += GROUPS[group](survey, options.repeats)
            bar.update()
    environment = describe_environment("torch", "lightning", "tensorflow", "pillow")
    print("\n".join(format_table(rows)))
    print(f"\n{environment['processor']}; medians of {options.repeats} repeats")
    if options.out:
        write_json(options.out, {"rows": [row.as_dict() for row in rows], **environment})


if __name__ == "__main__":
    main()
