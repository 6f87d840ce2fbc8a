"""LightningCLI with run folders: where results go, and that nothing untrained is ever measured."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from jsonargparse.typing import NonNegativeInt
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.cli import ArgsType, LightningArgumentParser, LightningCLI
from lightning.pytorch.utilities import rank_zero_only

from data_prep.common.errors import GalaxyError
from data_prep.schema import SPLITS
from galaxy_lightning.callbacks.history import HistoryRecorder
from galaxy_lightning.callbacks.preemption import EndTogether, Preemption
from galaxy_lightning.callbacks.run_config import RunConfig, is_shared
from galaxy_lightning.callbacks.run_lock import RunLock
from galaxy_lightning.callbacks.run_logger import RunLogger
from galaxy_lightning.callbacks.unchanged_arrays import UnchangedArrays
from galaxy_lightning.cli import messages
from galaxy_lightning.cli.completion import calibrate_best, predict_held_out, record_run
from galaxy_lightning.cli.configs import asks_to_simulate, check_configs, named_configs, named_networks
from galaxy_lightning.cli.fit_folder import FitFolder, run_name
from galaxy_lightning.cli.lightning_errors import lightning_errors_in_one_line
from galaxy_lightning.cli.options import (
    SPLIT_OF,
    Parser,
    add_output_options,
    expand_path_options,
    model_settings,
    named_checkpoint,
    set_defaults,
)
from galaxy_lightning.cli.results import evaluation_writer, prediction_writer
from galaxy_lightning.cli.trainer_checks import check_callbacks, check_settings, check_shares
from galaxy_lightning.cli.trainer_parts import listed, loggers, progress_callbacks, run_callbacks
from galaxy_lightning.cli.training_help import TrainingHelp
from galaxy_lightning.cli.words import DESCRIPTIONS
from galaxy_lightning.data.datamodule import GalaxyDataModule
from galaxy_lightning.program import PROGRAM
from galaxy_lightning.runs.names import BEST_CHECKPOINT, RUN
from galaxy_lightning.runtime.allocator import keep_freed_memory
from galaxy_lightning.runtime.noise import quieten
from galaxy_lightning.runtime.rank_zero import is_first_on_machine, rank_zero_print
from galaxy_lightning.runtime.ranks import Ranks
from galaxy_lightning.training.checkpoints import Trained, galaxies_seen, read_checkpoint
from galaxy_lightning.training.module import GalaxyClassifier

_ALWAYS: Final = {"weights_only": True, "verbose": False, "return_predictions": False}
"""How the Trainer runs a command, whatever the user asks for."""


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
    return run_name(cli.config["fit"]), {key: value for key, value in settings.items() if is_shared(key)}


class GalaxyCLI(LightningCLI):
    """LightningCLI with run folders."""

    history: HistoryRecorder | None = None
    """The epochs of a fit that leaves a run; a fast_dev_run leaves none."""
    trained: Trained | None = None
    """What the checkpoint remembers, where one is named."""

    def __init__(self, args: ArgsType, ranks: Ranks | None = None, lock: RunLock | None = None) -> None:
        self.ranks, self.lock = ranks or Ranks(()), lock or RunLock()
        self.folder = FitFolder(self.lock)
        super().__init__(
            GalaxyClassifier,
            GalaxyDataModule,
            save_config_callback=RunConfig,
            save_config_kwargs={"save_to_log_dir": False},
            trainer_defaults={"log_every_n_steps": 10},
            seed_everything_default=0,
            parser_class=Parser,
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
        parser = super().init_parser(allow_abbrev=False, **kwargs)
        self.parsers.append(parser)
        return parser

    def setup_parser(
        self, add_subcommands: bool, main_kwargs: dict[str, Any], subparser_kwargs: dict[str, Any]
    ) -> None:
        """Makes the main parser, then those of the commands in their order; adds where results go."""
        self.parsers: list[LightningArgumentParser] = []
        super().setup_parser(add_subcommands, main_kwargs, subparser_kwargs)
        self.command_parsers = dict(zip(self.subcommands(), self.parsers[1:], strict=True))
        add_output_options(self.command_parsers)

    def add_default_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Adds the one seed."""
        parser.add_argument(
            "--seed_everything",
            type=NonNegativeInt,
            default=0,
            help="the one seed: of weights, shuffling and augmentation",
        )

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Hands the data what it shares with the model: the one seed, and the auxiliary targets."""
        parser.link_arguments("seed_everything", "data.seed")
        parser.link_arguments("model.auxiliary", "data.auxiliary")

    def parse_arguments(self, parser: LightningArgumentParser, args: ArgsType) -> None:
        """Parses ``args``, which ``main`` has completed.

        Without a config that the user names, the settings of a trained model are the defaults: those of the
        model as the checkpoint has them, the others as its run folder has saved them.
        """
        assert isinstance(args, list)
        check_configs(args)
        command, checkpoint = args[0], named_checkpoint(args)
        if checkpoint:
            self.trained = read_checkpoint(checkpoint, named_networks(args))
            if not named_configs(args):
                set_defaults(self.command_parsers[command], self.trained, command)
        self.config = parser.parse_args(args)
        options = self.config[command]
        if options.ckpt_path and not checkpoint:
            # Named where `complete` does not look; without `read_checkpoint` it would be used unchecked.
            raise GalaxyError("name the checkpoint with --ckpt_path, or as ckpt_path in a config file")
        if command != "fit" or not asks_to_simulate(args):
            options.data.simulate = 0
        expand_path_options(options)
        if self.trained:
            model = model_settings(self.trained, command, options.model)
            self.config = parser.parse_object({command: {"model": model}}, self.config)
        # Lightning would take all of the model's settings from it, not those that a resumed fit asks for.
        self.ckpt_path, self.config[command].ckpt_path = options.ckpt_path, None

    def before_instantiate_classes(self) -> None:
        """Refuses settings of the trainer that cannot work, before anything is made."""
        options = self.config[self.subcommand]
        options.ckpt_path = self.ckpt_path
        self.processes = check_settings(options.trainer, str(self.subcommand))

    def instantiate_classes(self) -> None:
        """Makes model, data and trainer; then the other ranks of this machine are started."""
        super().instantiate_classes()
        options = self.config_init[self.subcommand]
        for name, value in _ALWAYS.items():
            if name in options:
                options[name] = value
        self.ranks.start(self.trainer)

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        """Checks the data first, so that a fit that cannot begin leaves no run folder; then makes one."""
        self.datamodule.simulate_missing()
        if is_first_on_machine():
            self.datamodule.prepare_data()
        self.datamodule.check_fits(self.model.classes, self.model.image_size)
        check_shares(self.datamodule, self.processes, str(self.subcommand))
        settings = self.config_init[self.subcommand].trainer
        shown, progress = progress_callbacks(settings)
        callbacks = [*listed(settings), *progress, EndTogether(self.ranks), UnchangedArrays(self.datamodule)]
        # Lightning's table of layers says less of a whole network than the one line of before_fit.
        kwargs |= {
            "callbacks": callbacks,
            "enable_progress_bar": shown,
            "enable_model_summary": settings.get("enable_model_summary") or False,
        }
        if self.subcommand != "fit":
            callbacks.append(self._result_writer())
            return super().instantiate_trainer(logger=False, **kwargs)
        self._check_fit(settings)
        if settings.get("fast_dev_run"):
            return super().instantiate_trainer(logger=False, **kwargs)
        folder = self.folder.make(self.config["fit"])
        callbacks += self._run_callbacks(folder)
        run_loggers = [RunLogger(folder), *loggers(settings)]
        try:
            with self.folder.removed_unless_begun():
                return super().instantiate_trainer(logger=run_loggers, default_root_dir=folder, **kwargs)
        except (ValueError, TypeError) as error:
            raise GalaxyError(f"invalid Trainer settings: {error}") from error

    def _check_fit(self, settings: Mapping[str, Any]) -> None:
        """Refuses a fit that could not be trained, or not be measured."""
        check_callbacks(listed(settings), [*self.model.train_metrics.names, *self.model.val_metrics.names])
        if self.trained:
            fed = self.datamodule.state_dict()["settings"]
            self.trained.require_same_settings(dict(self.model.hparams), fed)
            scheduled = self.model.optimization.ends_at_zero
            self.trained.require_same_processes(self.processes, scheduled=scheduled)
            self.datamodule.exclude(self.trained.train_objids)
        elif self.model.pretrained:
            self.datamodule.exclude(galaxies_seen(self.model.pretrained["weights"]))
        for split in SPLITS:
            self.datamodule.arrays.some_rows(split)
        self.datamodule.check_can_train()
        self.model.new_optimizer()

    def fit(self, model: GalaxyClassifier, **kwargs: Any) -> None:
        """Trains, and removes the run folder if the fit fails before its first checkpoint."""
        with self.folder.removed_unless_begun():
            self.trainer.fit(model, **kwargs)

    def before_fit(self) -> None:
        """Says what is about to be trained on what."""
        rank_zero_print(*messages.before_fit(self.model, self.datamodule.arrays))

    def after_fit(self) -> None:
        """Predicts the held-out galaxies with the best weights, completes the run, says what is next."""
        folder = self.trainer.log_dir
        if folder is None or self.history is None:
            return
        run, best = Path(folder), Path(folder) / BEST_CHECKPOINT
        if self.trainer.strategy.broadcast((run / RUN).is_file()):
            rank_zero_print(f"Nothing left to train: the run in {run} is complete, and stays as it is")
            return
        if not best.is_file():
            raise GalaxyError(
                "the fit ended before it had validated an epoch, so there are no best weights and the run in "
                f"{run} is not complete: let it train and validate for one epoch at least"
            )
        calibrate_best(self.trainer, self.model, self.datamodule, best)
        predict_held_out(self.trainer, self.model, self.datamodule, best)
        seed = int(self.config["fit"].seed_everything)
        rank_zero_only(record_run)(run, self.model, self.trainer, self.datamodule, seed, self.history)
        rank_zero_print(*messages.after_fit(run, best, self.model))

    def after_test(self) -> None:
        """Shows what was found, and says where it is."""
        rank_zero_print(*messages.after_evaluation(self.evaluation, self.model))

    after_validate = after_test

    def after_predict(self) -> None:
        """Says where the table is."""
        rank_zero_print(*messages.after_predict(self.predictions, self.model))

    def _run_callbacks(self, folder: Path) -> list[Callback]:
        """Makes what leaves a fit's record in its run folder."""
        given = json.loads(self.parser.dump(self.config, format="json"))["fit"]["trainer"]
        self.history = HistoryRecorder(given)
        seed = int(self.config["fit"].seed_everything)
        record = run_callbacks(folder, self.model, self.datamodule, seed)
        return [self.lock, self.history, *record, Preemption(self.ranks)]

    def _result_writer(self) -> Callback:
        """Makes what writes the results of ``test``, ``validate`` or ``predict``."""
        command, options = str(self.subcommand), self.config[self.subcommand]
        if command in SPLIT_OF:
            assert self.trained is not None
            self.evaluation = evaluation_writer(command, options, self.datamodule, self.trained)
            return self.evaluation
        self.predictions = prediction_writer(options, self.datamodule, self.model)
        return self.predictions


class _Settings(GalaxyCLI):
    """Parses, and makes and runs nothing."""

    def instantiate_classes(self) -> None:
        """Makes nothing, and leaves no command to run."""
        self.subcommand = None
