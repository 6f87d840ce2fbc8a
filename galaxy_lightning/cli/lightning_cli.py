"""LightningCLI with run folders: it decides where results go, and never evaluates an untrained model."""

import json
from pathlib import Path
from typing import Any, Final

import torch.distributed
from jsonargparse.typing import NonNegativeInt
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.cli import ArgsType, LightningArgumentParser, LightningCLI

from data_prep.common.errors import GalaxyError
from galaxy_lightning.callbacks.epoch_log import metrics_of_model
from galaxy_lightning.callbacks.history import HistoryRecorder
from galaxy_lightning.callbacks.preemption import Preemption, SigtermRestorer
from galaxy_lightning.callbacks.run_config import RunConfig
from galaxy_lightning.callbacks.run_lock import RunLock
from galaxy_lightning.callbacks.run_logger import RunLogger
from galaxy_lightning.callbacks.unchanged_arrays import UnchangedArrays
from galaxy_lightning.cli import messages
from galaxy_lightning.cli.completion import complete_fit, describe_devices
from galaxy_lightning.cli.configs import allows_simulation, check_configs, has_model_config, named_networks
from galaxy_lightning.cli.descriptions import DESCRIPTIONS
from galaxy_lightning.cli.fit_checks import check_fit
from galaxy_lightning.cli.fit_folder import FitFolder
from galaxy_lightning.cli.lightning_errors import lightning_errors_in_one_line
from galaxy_lightning.cli.options import (
    EVALUATED_SPLITS,
    Parser,
    add_output_options,
    expand_path_options,
    fixed_model_settings,
    named_checkpoint,
    set_defaults,
    settings_of_arrays,
)
from galaxy_lightning.cli.results import make_evaluation_writer, make_prediction_writer
from galaxy_lightning.cli.samp_message import send_by_samp
from galaxy_lightning.cli.trainer_checks import check_galaxy_counts, check_settings, report_invalid_settings
from galaxy_lightning.cli.trainer_parts import (
    configured_callbacks,
    configured_loggers,
    make_run_callbacks,
    progress_callbacks,
)
from galaxy_lightning.cli.training_help import TrainingHelp
from galaxy_lightning.data.datamodule import GalaxyDataModule
from galaxy_lightning.program import PROGRAM
from galaxy_lightning.runtime.allocator import keep_freed_memory
from galaxy_lightning.runtime.noise import quieten
from galaxy_lightning.runtime.rank_zero import is_first_on_machine, rank_zero_print, rank_zero_warn
from galaxy_lightning.runtime.ranks import Ranks
from galaxy_lightning.training.checkpoints import CheckpointInfo, read_checkpoint
from galaxy_lightning.training.ensemble import Ensemble, load_ensemble
from galaxy_lightning.training.module import GalaxyClassifier

_ALWAYS: Final = {"weights_only": True, "verbose": False, "return_predictions": False}
"""Arguments of the Trainer's methods that are fixed for all commands."""


def run(args: list[str]) -> Path | None:
    """Runs one command.

    Args:
        args: The completed command line; see :func:`galaxy_lightning.cli.main.complete`.

    Returns:
        The run folder of a fit; None if the command makes none.
    """
    quieten()
    keep_freed_memory()
    try:
        with lightning_errors_in_one_line(), Ranks(args) as ranks, RunLock() as lock:
            return GalaxyCLI(args=args, ranks=ranks, lock=lock).run_folder
    finally:
        if torch.distributed.is_initialized():  # Another command may follow in the same process.
            torch.distributed.destroy_process_group()


class GalaxyCLI(LightningCLI):
    """LightningCLI with run folders.

    Args:
        args: The completed command line.
        ranks: The processes of the command.
        lock: The lock on the run folder of a fit.
    """

    history: HistoryRecorder | None = None
    """The record of a fit; None for a fast_dev_run, which leaves no run."""
    run_folder: Path | None = None
    """The run folder of a finished fit."""
    trained: CheckpointInfo | None = None
    """The metadata of the checkpoint, if one is named."""
    ensemble: Ensemble | None = None
    """The networks, if several are named."""

    def __init__(self, args: list[str], ranks: Ranks | None = None, lock: RunLock | None = None) -> None:
        self.ranks, self.lock = ranks or Ranks(()), lock or RunLock()
        self.folder, self.command = FitFolder(self.lock), args[0]
        usage = f"{PROGRAM} {self.command} [--config FILE] [options]"
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
                self.command: {"usage": usage, "description": DESCRIPTIONS[self.command]},
            },
            args=args,
            auto_configure_optimizers=False,
            load_from_checkpoint_support=False,
        )

    def subcommands(self) -> dict[str, set[str]]:  # type: ignore[override]
        """Returns the arguments of the command that runs which are no options of Lightning.

        The parsers of all commands would take a tenth of a second more.
        """
        own = {"ckpt_path"} if self.command == "predict" else set()
        return {self.command: super().subcommands()[self.command] | own}

    def init_parser(self, **kwargs: Any) -> LightningArgumentParser:
        """Makes a parser that rejects abbreviated options: a typo could set another option."""
        parser = super().init_parser(allow_abbrev=False, **kwargs)
        self.parsers.append(parser)
        return parser

    def setup_parser(
        self, add_subcommands: bool, main_kwargs: dict[str, Any], subparser_kwargs: dict[str, Any]
    ) -> None:
        """Makes the main parser, then that of the command, and adds the output options."""
        self.parsers: list[LightningArgumentParser] = []
        super().setup_parser(add_subcommands, main_kwargs, subparser_kwargs)
        add_output_options(self.command, self.parsers[1])

    def add_default_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Adds the seed."""
        parser.add_argument(
            "--seed_everything",
            type=NonNegativeInt,
            default=0,
            help="seed of weights, shuffling and augmentation",
        )

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Links the settings that the data shares with the model: the seed and the auxiliary targets."""
        parser.link_arguments("seed_everything", "data.seed")
        parser.link_arguments("model.auxiliary", "data.auxiliary")

    def parse_arguments(self, parser: LightningArgumentParser, args: ArgsType) -> None:
        """Parses ``args``, which ``main`` has completed.

        If a checkpoint but no config is named, the settings of the trained model are the defaults: those of
        the model come from the checkpoint, the others from the config in its run folder.
        """
        assert isinstance(args, list)
        check_configs(args)
        command, checkpoint = self.command, named_checkpoint(args)
        if checkpoint:
            self.networks = named_networks(args)
            self.trained = read_checkpoint(checkpoint, self.networks)
            if not has_model_config(args):
                set_defaults(self.parsers[1], self.trained, command)
        self.config = parser.parse_args(args)
        options = self.config[command]
        if options.ckpt_path and not checkpoint:
            # It was named in a way that `complete` does not see, and `read_checkpoint` has not checked it.
            raise GalaxyError("name the checkpoint with --ckpt_path, or as ckpt_path in a config file")
        if command != "fit" or not allows_simulation(args):
            options.data.simulate = 0
        expand_path_options(options)
        model = fixed_model_settings(self.trained, command, options.model) if self.trained else {}
        if command == "fit":
            model |= settings_of_arrays(options)
        if model:
            self.config = parser.parse_object({command: {"model": model}}, self.config)
        # Lightning would take all model settings from it, also those that a resumed fit may change.
        self.ckpt_path, self.config[command].ckpt_path = options.ckpt_path, None

    def before_instantiate_classes(self) -> None:
        """Checks the trainer's settings before anything is made."""
        options = self.config[self.subcommand]
        options.ckpt_path = self.ckpt_path
        self.processes = check_settings(options.trainer, str(self.subcommand))

    def instantiate_classes(self) -> None:
        """Makes the model, the data and the trainer, then starts the other ranks of this machine."""
        super().instantiate_classes()
        options = self.config_init[self.subcommand]
        for name, value in _ALWAYS.items():
            if name in options:
                options[name] = value
        self.ranks.start(self.trainer)

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        """Makes the trainer; checks the data before, so that a fit that cannot start leaves no run folder."""
        self.datamodule.simulate_missing()
        if is_first_on_machine():
            self.datamodule.prepare_data()
        if self.trained:
            self.datamodule.training_images = self.trained.images
        self.datamodule.check_compatible(self.model.classes, self.model.image_size, self.model.bands)
        check_galaxy_counts(self.datamodule, self.processes, str(self.subcommand))
        settings = self.config_init[self.subcommand].trainer
        trial = bool(settings.get("fast_dev_run"))
        history = None
        if self.subcommand == "fit":
            dumped = self.parser.dump(self.config, format="json", skip_unset=False)
            chosen = json.loads(dumped)["fit"]["trainer"]
            history = HistoryRecorder(chosen, saves=not trial)
        has_progress, progress = progress_callbacks(settings, history)
        callbacks = configured_callbacks(settings)
        callbacks += [SigtermRestorer(self.ranks), UnchangedArrays(self.datamodule)]
        # before_fit prints more about a network than Lightning's summary.
        kwargs |= {
            "callbacks": callbacks,
            "enable_progress_bar": has_progress,
            "enable_model_summary": settings.get("enable_model_summary") or False,
            "use_distributed_sampler": False,  # The loaders share the galaxies among the processes.
        }
        if history is None:
            callbacks += [self._make_result_writer(), *progress]
            return super().instantiate_trainer(logger=False, **kwargs)
        check_fit(self.model, self.datamodule, settings, self.trained, self.processes)
        if self.datamodule.arrays.for_final_model:
            kwargs["limit_val_batches"] = 0
        if trial:
            callbacks += [history, *progress]
            return super().instantiate_trainer(logger=False, **kwargs)
        self.history, folder = history, self.folder.make(self.config["fit"], chosen)
        seed = int(self.config["fit"].seed_everything)
        saving = make_run_callbacks(folder, self.model, self.datamodule, seed, history)
        callbacks += [self.lock, *saving, Preemption(self.ranks), *progress]
        loggers = [RunLogger(folder, metrics_of_model(self.model)), *configured_loggers(settings)]
        with report_invalid_settings(), self.folder.remove_on_early_failure():
            return super().instantiate_trainer(logger=loggers, default_root_dir=folder, **kwargs)

    def fit(self, model: GalaxyClassifier, **kwargs: Any) -> None:
        """Trains the model, and removes the run folder if the fit fails before its first checkpoint."""
        if not self.folder.is_complete:
            with self.folder.remove_on_early_failure():
                self.trainer.fit(model, **kwargs)

    def predict(self, model: GalaxyClassifier, **kwargs: Any) -> None:
        """Classifies galaxies with the model, or with several, which have their weights."""
        answering, weights = (self.ensemble, None) if self.ensemble else (model, self.ckpt_path)
        self.trainer.predict(answering, ckpt_path=weights, **kwargs)

    def before_fit(self) -> None:
        """Prints what is about to be trained."""
        arrays, device = self.datamodule.arrays, describe_devices(self.trainer)
        rank_zero_print(*messages.before_fit(self.model, arrays, device, self.ckpt_path))
        rank_zero_warn(*messages.warn_before_fit(arrays))

    def after_fit(self) -> None:
        """Completes the run, and prints its results and next steps."""
        folder = self.trainer.log_dir
        if folder is None or self.history is None:
            return
        self.run_folder = Path(folder)
        seed = int(self.config["fit"].seed_everything)
        complete_fit(self.run_folder, self.trainer, self.model, self.datamodule, seed, self.history)

    def after_test(self) -> None:
        """Prints the results, and where they are saved."""
        rank_zero_print(*messages.after_evaluation(self.evaluation, self.model))

    after_validate = after_test

    def before_predict(self) -> None:
        """Prints which models classify the galaxies."""
        assert self.trained is not None
        rank_zero_print(*messages.before_predict(self.trained, self.ensemble))

    def after_predict(self) -> None:
        """Prints where the table is."""
        descriptions = self.trained.class_descriptions if self.trained else {}
        rank_zero_print(*messages.after_predict(self.predictions, self.ensemble or self.model, descriptions))
        if self.config["predict"].samp and self.trainer.is_global_zero:
            print("\n".join(send_by_samp(self.predictions.path)))

    def _make_result_writer(self) -> Callback:
        """Makes the callback that writes the results of ``test``, ``validate`` or ``predict``."""
        command, options = str(self.subcommand), self.config[self.subcommand]
        assert self.trained is not None
        if command in EVALUATED_SPLITS:
            self.evaluation = make_evaluation_writer(command, options, self.datamodule, self.trained)
            return self.evaluation
        if options.members:
            self.ensemble = load_ensemble(list(map(Path, options.members)), self.networks)
        answering = self.ensemble or self.model
        self.predictions = make_prediction_writer(options, self.datamodule, answering, self.trained)
        return self.predictions
