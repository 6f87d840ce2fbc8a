"""LightningCLI with run folders: where results go, and that nothing untrained is ever measured."""

import contextlib
import json
import re
import shlex
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from jsonargparse.typing import NonNegativeInt, PositiveInt
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import LearningRateMonitor, ProgressBar, TQDMProgressBar
from lightning.pytorch.cli import ArgsType, LightningArgumentParser, LightningCLI
from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities import rank_zero_only

from data_prep.common.errors import GalaxyError
from data_prep.common.files import refuse_existing, sha256
from data_prep.common.paths import expand_path
from data_prep.common.suggestions import SuggestingParser
from data_prep.schema import SPLITS
from galaxy_lightning.callbacks.batch_seed import BatchSeed
from galaxy_lightning.callbacks.checkpoint import RunCheckpoint
from galaxy_lightning.callbacks.epoch_lines import EpochLines
from galaxy_lightning.callbacks.evaluation import (
    METRICS,
    ConfusionMatrixLogger,
    EvaluationWriter,
)
from galaxy_lightning.callbacks.history import HistoryRecorder
from galaxy_lightning.callbacks.prediction import PredictionWriter, galaxies_to_predict
from galaxy_lightning.callbacks.preemption import EndTogether, Preemption
from galaxy_lightning.callbacks.run_config import RunConfig, is_shared
from galaxy_lightning.callbacks.run_lock import RunLock
from galaxy_lightning.callbacks.run_logger import RunLogger
from galaxy_lightning.callbacks.unchanged_arrays import UnchangedArrays
from galaxy_lightning.cli.completion import calibrate_best, record_run, shortcomings
from galaxy_lightning.cli.configs import asks_to_simulate, check_configs, named_configs
from galaxy_lightning.cli.lightning_errors import lightning_errors_in_one_line
from galaxy_lightning.cli.saved_config import SavedConfig, read_saved_config
from galaxy_lightning.cli.trainer_checks import check_callbacks, check_settings, check_shares
from galaxy_lightning.cli.training_help import TrainingHelp
from galaxy_lightning.cli.words import DESCRIPTIONS
from galaxy_lightning.data.datamodule import GalaxyDataModule
from galaxy_lightning.evaluation.held_out import PICTURES
from galaxy_lightning.program import PROGRAM
from galaxy_lightning.runs.names import CONFIG, HISTORY, IDENTITY_COLUMNS, PREDICTIONS, RUN
from galaxy_lightning.runs.writer import arrays_identity, claim_run_folder, remove_unless_begun
from galaxy_lightning.runtime.allocator import keep_freed_memory
from galaxy_lightning.runtime.noise import quieten
from galaxy_lightning.runtime.rank_zero import is_first_on_machine, is_first_process, say
from galaxy_lightning.runtime.ranks import Ranks
from galaxy_lightning.training.checkpoints import Trained, galaxies_seen, read_checkpoint
from galaxy_lightning.training.module import GalaxyClassifier

_SPLIT_OF: Final = {"test": "test", "validate": "val"}
_PATHS: Final = ("data.arrays", "data.images", "model.weights", "runs", "out", "trainer.default_root_dir")


def run(words: list[str]) -> None:
    """Runs one command.

    Args:
        words: The complete command line; see :func:`galaxy_lightning.cli.main.complete`.
    """
    quieten()
    keep_freed_memory()
    with lightning_errors_in_one_line(), Ranks(words) as ranks, RunLock() as lock:
        GalaxyCLI(args=words, ranks=ranks, lock=lock)


def settings_of_fit(words: list[str]) -> tuple[str, dict[str, Any]]:
    """Parses the options of a fit without making anything of them.

    Args:
        words: The command line's words after ``fit``.

    Returns:
        The name that its run would have, and the settings that all commands share, as plain values.
    """
    cli = _Settings(args=["fit", *words])
    settings = json.loads(cli.parser.dump(cli.config, format="json"))["fit"]
    return cli.run_name(), {key: value for key, value in settings.items() if is_shared(key)}


class _Parser(LightningArgumentParser, SuggestingParser):
    """Lightning's parser; names the option that a mistyped one may have meant."""


class GalaxyCLI(LightningCLI):
    """LightningCLI with run folders."""

    history: HistoryRecorder | None = None
    """The epochs of a fit that leaves a run; a fast_dev_run leaves none."""
    trained: Trained | None = None
    """What the checkpoint remembers, where one is named."""
    claimed: Path | None = None
    """The run folder that was made for this fit, by the process that has made it."""

    def __init__(self, args: ArgsType, ranks: Ranks | None = None, lock: RunLock | None = None) -> None:
        self.ranks, self.lock = ranks or Ranks(()), lock or RunLock()
        super().__init__(
            GalaxyClassifier,
            GalaxyDataModule,
            save_config_callback=RunConfig,
            save_config_kwargs={"save_to_log_dir": False},
            trainer_defaults={"log_every_n_steps": 10},
            seed_everything_default=0,
            parser_class=_Parser,
            parser_kwargs={
                "prog": PROGRAM,
                "formatter_class": TrainingHelp,
                **{
                    name: {"usage": f"{PROGRAM} {name} [--config FILE] [options]", "description": text}
                    for name, text in DESCRIPTIONS.items()
                    if name != "crossval"
                },
            },
            args=args,
            auto_configure_optimizers=False,
            load_from_checkpoint_support=False,
        )

    def init_parser(self, **kwargs: Any) -> LightningArgumentParser:
        """Makes a parser that takes no abbreviated options: a slip would set what it happens to begin."""
        return super().init_parser(allow_abbrev=False, **kwargs)

    def setup_parser(
        self, add_subcommands: bool, main_kwargs: dict[str, Any], subparser_kwargs: dict[str, Any]
    ) -> None:
        """Adds where results go."""
        super().setup_parser(add_subcommands, main_kwargs, subparser_kwargs)
        fit, predict = self._subcommand_parsers["fit"], self._subcommand_parsers["predict"]
        fit.add_argument(
            "--name", type=str | None, help="the run's name; by default the (last) config file's"
        )
        fit.add_argument("--runs", type=str, default="runs", help="folder of all runs")
        for command in _SPLIT_OF:
            self._subcommand_parsers[command].add_argument(
                "--out",
                type=str | None,
                help="folder for what is measured; by default one beside the checkpoint",
            )
        predict.add_argument(
            "--out", type=str | None, help="table to write (CSV); by default beside the checkpoint"
        )
        predict.add_argument("--overwrite", action="store_true", help="replace an older table of that name")
        predict.add_argument(
            "--zooms",
            type=PositiveInt | None,
            help="at how many sizes to look at each galaxy; by default as in the fit, 1 is fastest",
        )

    def add_default_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Adds the one seed."""
        parser.add_argument(
            "--seed_everything",
            type=NonNegativeInt,
            default=0,
            help="the one seed: of weights, shuffling and augmentation",
        )

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Hands the one seed to the data."""
        parser.link_arguments("seed_everything", "data.seed")

    def parse_arguments(self, parser: LightningArgumentParser, args: ArgsType) -> None:
        """Parses ``args``, which ``main`` has completed.

        Without a config that the user names, the settings of a trained model are the defaults: those of the
        model as the checkpoint has them, the others as its run folder has saved them.
        """
        assert isinstance(args, list)
        check_configs(args)
        command, checkpoint = args[0], _checkpoint(args)
        if checkpoint:
            self.trained = read_checkpoint(checkpoint)
            if not named_configs(args):
                self._set_defaults(self.trained, command)
        self.config = parser.parse_args(args)
        options = self.config[command]
        if options.ckpt_path and not checkpoint:
            # Named where `complete` does not look; without `read_checkpoint` it would be used unchecked.
            raise GalaxyError("name the checkpoint with --ckpt_path, or as ckpt_path in a config file")
        if not asks_to_simulate(args):
            options.data.simulate = 0
        for key in _PATHS:
            if options.get(key):
                options[key] = expand_path(options[key])

    def _set_defaults(self, trained: Trained, command: str) -> None:
        """Sets the settings of a trained model as a command's defaults.

        Raises:
            GalaxyError: They do not fit; or a fit would be resumed without the callbacks that it began with.
        """
        defaults = {f"model.{name}": value for name, value in trained.hyperparameters.items()}
        if trained.arrays_folder:
            defaults["data.arrays"] = trained.arrays_folder
        saved = read_saved_config(trained.path.parent)
        if saved is not None:
            saved.check(self._subcommand_parsers[command])
            _refuse_classes(saved, command)
            defaults |= saved.settings
        self._subcommand_parsers[command].set_defaults(defaults)

    def _parse_ckpt_path(self) -> None:
        """Takes the model's settings from the checkpoint; a resumed fit keeps those that are asked for."""
        if self.trained is None:
            return
        command = self.config.subcommand
        model, started = self.trained.hyperparameters, self.trained.pretrained or {}
        if command == "fit":
            # What it once started from is not needed again, where the same is asked for.
            asked = self.config[command].model
            same = bool(started) and all(asked[name] == started[name] for name in started)
            model = {name: model[name] for name in started} if same else {}
        self.config = self.parser.parse_object({command: {"model": model}}, self.config)

    def before_instantiate_classes(self) -> None:
        """Refuses settings of the trainer that cannot work, before anything is made."""
        self.processes = check_settings(self._get(self.config, "trainer"), str(self.subcommand))

    def instantiate_classes(self) -> None:
        """Makes model, data and trainer; then the other ranks of this machine are started."""
        super().instantiate_classes()
        self.ranks.start(self.trainer)

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        """Checks the data first, so that a fit that cannot begin leaves no run folder; then makes one."""
        if self.subcommand != "fit":
            self.datamodule.simulate = 0
        self.datamodule.simulate_missing()
        if is_first_on_machine():
            self.datamodule.prepare_data()
        self.datamodule.check_fits(self.model.classes, self.model.image_size)
        check_shares(self.datamodule, self.processes, str(self.subcommand))
        self.datamodule.auxiliary = self.model.auxiliary
        settings = self._get(self.config_init, "trainer")
        callbacks = _listed(settings.get("callbacks"))
        asked = settings.get("enable_progress_bar")
        # Piped, a bar would fill a log with its states.
        progress = sys.stdout.isatty() if asked is None else bool(asked)
        if any(isinstance(callback, ProgressBar) for callback in callbacks):
            progress = True
        elif progress:
            callbacks.append(TQDMProgressBar())
        elif asked is None:
            callbacks.append(EpochLines())
        callbacks += [EndTogether(self.ranks), UnchangedArrays(self.datamodule)]
        # Lightning's table of layers says less of a whole network than the one line of before_fit.
        kwargs |= {
            "callbacks": callbacks,
            "enable_progress_bar": progress,
            "enable_model_summary": settings.get("enable_model_summary") or False,
        }
        if self.subcommand != "fit":
            callbacks.append(self._result_writer())
            return super().instantiate_trainer(logger=False, **kwargs)
        measured = [*self.model.train_metrics.names, *self.model.val_metrics.names]
        check_callbacks(_listed(settings.get("callbacks")), measured)
        if self.trained:
            self.trained.require_same_settings(
                dict(self.model.hparams), self.datamodule.state_dict()["settings"]
            )
            self.trained.require_same_processes(self.processes, scheduled=self.model.newest_is_best)
            self.datamodule.seen_before = self.trained.train_objids
        elif self.model.pretrained:
            self.datamodule.seen_before = galaxies_seen(self.model.pretrained["weights"])
        for split in SPLITS:
            self.datamodule.arrays.some_rows(split)
        self.datamodule.check_can_train()
        self.model.new_optimizer()
        if settings.get("fast_dev_run"):
            return super().instantiate_trainer(logger=False, **kwargs)
        folder = self._run_folder()
        callbacks += self._run_callbacks(folder)
        loggers = [RunLogger(folder), *_loggers(settings.get("logger"))]
        try:
            with self._removed_unless_begun():
                return super().instantiate_trainer(logger=loggers, default_root_dir=folder, **kwargs)
        except (ValueError, TypeError) as error:
            raise GalaxyError(f"invalid Trainer settings: {error}") from error

    def fit(self, model: GalaxyClassifier, **kwargs: Any) -> None:
        """Trains, and removes the run folder if the fit fails before its first checkpoint."""
        with self._removed_unless_begun():
            self.trainer.fit(model, **kwargs)

    def before_fit(self) -> None:
        """Says what is about to be trained on what."""
        parameters = sum(weights.numel() for weights in self.model.parameters() if weights.requires_grad)
        numbers = [f"{len(self.datamodule.arrays.rows(split)):,}" for split in ("train", "val")]
        say(
            f"Training {self.model.network.name}, {parameters:,} parameters, on {numbers[0]} galaxies; "
            f"validating on {numbers[1]}",
            *shortcomings(self.datamodule.arrays),
        )

    def after_fit(self) -> None:
        """Predicts the held-out galaxies with the best weights, completes the run, says what is next."""
        folder = self.trainer.log_dir
        if folder is None or self.history is None:
            return
        run, best = Path(folder), Path(folder) / "best.ckpt"
        if self.trainer.strategy.broadcast((run / RUN).is_file()):
            say(f"Nothing left to train: the run in {run} is complete, and stays as it is")
            return
        if not best.is_file():
            raise GalaxyError(
                "the fit ended before it had validated an epoch, so there are no best weights and the run in "
                f"{run} is not complete: let it train and validate for one epoch at least"
            )
        calibrate_best(self.trainer, self.model, self.datamodule, best)
        self.datamodule.predict_splits = ("val", "test")
        self.trainer.limit_predict_batches = 1.0
        self.trainer.predict(
            self.model, self.datamodule, return_predictions=False, ckpt_path=best, weights_only=True
        )
        seed = self._get(self.config, "seed_everything")
        data = self.datamodule
        settings = {"batch_size": data.batch_size, "augment": data.augment, "targets": data.targets}
        rank_zero_only(record_run)(run, self.model, self.trainer, data.arrays, settings, seed, self.history)
        say(
            f"The run is in {run}",
            f"Test it:      {PROGRAM} test --ckpt_path {shlex.quote(str(best))}",
            f"Use it:       {PROGRAM} predict --ckpt_path {shlex.quote(str(best))} --data.images FOLDER",
            f"TensorBoard:  tensorboard --logdir {shlex.quote(str(run.parent))}",
        )

    def after_test(self) -> None:
        """Shows what was found, and says where it is."""
        where = f"Saved to {self.evaluation.folder}: {', '.join((METRICS, *PICTURES))}"
        say(*self.evaluation.report, *self._fewer_zooms(), "", where)

    after_validate = after_test

    def after_predict(self) -> None:
        """Says where the table is."""
        skipped = f"; {len(self.writer.skipped):,} skipped, see {self.writer.skipped_path}"
        hidden = self.writer.images.ignored if self.writer.images else 0
        ignored = f"; {hidden:,} hidden or system file{'s' if hidden > 1 else ''} ignored"
        say(
            f"{self.writer.written:,} galaxies in {self.writer.path}"
            + (skipped if len(self.writer.skipped) else "")
            + (ignored if hidden else ""),
            f"{self.writer.uncertain:,} flagged as uncertain: "
            + self.model.calibrations.describe(self.model.zooms),
            *self._fewer_zooms(),
        )

    def _fewer_zooms(self) -> list[str]:
        """Says that the checkpoint answers with fewer zooms than its fit would have ended with."""
        used, meant = self.model.zooms, self.model.hparams["zooms"]
        if used == meant or self.config[self.subcommand].get("zooms"):
            return []
        return [
            f"Answered with {used} zoom, not {meant}: the fit was interrupted before it calibrated {meant}; "
            "resume it to use them"
        ]

    def _prepare_subcommand_kwargs(self, subcommand: str) -> dict[str, Any]:
        kwargs = super()._prepare_subcommand_kwargs(subcommand) | {"weights_only": True}
        if subcommand == "predict":
            return kwargs | {"return_predictions": False}
        return kwargs | ({"verbose": False} if subcommand in _SPLIT_OF else {})

    def _run_folder(self) -> Path:
        """Makes the run folder, or on a resume takes the checkpoint's, where that lies in one.

        Only the first process does; the trainer tells the others where it is.
        """
        options = self.config[self.subcommand]
        resumed = Path(options.ckpt_path).parent if options.ckpt_path else None
        if resumed and (resumed / CONFIG).is_file() and (resumed / HISTORY).is_file():
            if is_first_process():
                self.lock.take(resumed)
            return resumed
        if not is_first_process():
            return Path(options.runs)
        self.claimed = claim_run_folder(Path(options.runs), self.run_name())
        return self.claimed

    @contextlib.contextmanager
    def _removed_unless_begun(self) -> Iterator[None]:
        """Removes the new run folder of a fit, if the block fails before it holds a checkpoint."""
        try:
            yield
        except BaseException:
            if self.claimed:
                remove_unless_begun(self.claimed)
            raise

    def run_name(self) -> str:
        """Returns what the run of a fit is called: what the user says, or its config's or network's name."""
        options = self.config["fit"]
        if options.name:
            return str(options.name)
        if options.config:
            config = Path(str(options.config[-1])).absolute()
            # A config that an older run has saved stands for that run.
            name = config.parent.parent.name if config.name == CONFIG else config.stem
        else:
            name = options.model.backbone or options.model.network
        return re.sub(r"[^\w.-]+", "_", name)

    def _run_callbacks(self, folder: Path) -> list[Callback]:
        """Makes what leaves a fit's record in its run folder."""
        given = json.loads(self.parser.dump(self.config, format="json"))["fit"]["trainer"]
        self.history = HistoryRecorder(given)
        catalog = self.datamodule.arrays.catalog[IDENTITY_COLUMNS]
        return [
            self.lock,
            self.history,
            BatchSeed(self._get(self.config, "seed_everything")),
            RunCheckpoint(newest=self.model.newest_is_best),
            ConfusionMatrixLogger(),
            LearningRateMonitor("epoch"),
            PredictionWriter(folder / PREDICTIONS, catalog, self.model.classes),
            Preemption(self.ranks),
        ]

    def _result_writer(self) -> Callback:
        """Makes what writes the results of ``test``, ``validate`` or ``predict``."""
        options, data = self.config[self.subcommand], self.datamodule
        checkpoint = Path(options.ckpt_path)
        if self.subcommand in _SPLIT_OF:
            if data.images_folder is not None:
                raise GalaxyError(f"{self.subcommand} needs labels: name galaxy arrays with --data.arrays")
            assert self.trained is not None
            self.trained.require_unseen(data.arrays, _SPLIT_OF[str(self.subcommand)])
            about = {"checkpoint": str(checkpoint), "arrays": arrays_identity(data.arrays)}
            results = Path(options.out or checkpoint.parent / str(self.subcommand))
            self.evaluation = EvaluationWriter(results, _SPLIT_OF[str(self.subcommand)], about)
            return self.evaluation
        galaxies, source, about = galaxies_to_predict(data)
        table = Path(options.out or checkpoint.parent / f"predictions_{source.resolve().name}.csv")
        if table.suffix != ".csv":
            raise GalaxyError(f"{table}: predictions are written as CSV: name it .csv")
        if options.zooms:
            self.model.zooms = options.zooms
        made_of = {
            "version": version("galaxy-lightning"),
            "checkpoint": sha256(checkpoint),
            "galaxies": about,
            "batch_size": data.batch_size,
            "zooms": options.zooms or self.model.hparams["zooms"],
        }
        images = None if data.images_folder is None else data.image_folder
        self.writer = PredictionWriter(
            table, galaxies, self.model.classes, doubts=True, made_of=made_of, images=images
        )
        for path in (table, self.writer.skipped_path):
            refuse_existing(path, overwrite=options.overwrite)
        return self.writer


class _Settings(GalaxyCLI):
    """Parses, and makes and runs nothing."""

    def instantiate_classes(self) -> None:
        """Makes nothing."""

    def _run_subcommand(self, subcommand: str) -> None:
        """Runs nothing."""


def _checkpoint(words: list[str]) -> Path | None:
    """Returns the checkpoint that a complete command line names, if any."""
    return Path(words[words.index("--ckpt_path") + 1]) if "--ckpt_path" in words else None


def _refuse_classes(saved: SavedConfig, command: str) -> None:
    """Reports that classes in a run's config are not used, and refuses to resume a fit without them.

    Raises:
        GalaxyError: A fit would be resumed without them.
    """
    names = ", ".join(saved.classes)
    if saved.classes and command == "fit":
        raise GalaxyError(
            f"{saved.path} names classes ({names}), which can run code: if you trust it, resume the fit "
            f"with --config {shlex.quote(str(saved.path))}"
        )
    if saved.classes:
        say(f"Not used: {names} of {saved.path}; to use these settings, name the file with --config")


def _listed(callbacks: Any) -> list[Callback]:
    """Returns the callbacks of a config as a list."""
    return [] if callbacks is None else list(callbacks) if isinstance(callbacks, list) else [callbacks]


def _loggers(logger: Any) -> list[Logger]:
    """Returns the loggers that a config asks for besides the run's own."""
    return [
        entry for entry in (logger if isinstance(logger, list) else [logger]) if isinstance(entry, Logger)
    ]
