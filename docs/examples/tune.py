"""Searches for hyperparameters: python tune.py ARRAYS TRIALS

Start it again to go on after a break, or several times at once.
"""

import sys

import lightning
import optuna
import pandas as pd

import galaxy_lightning as gl

CONFIG = "galaxy_cnn"


class Pruning(lightning.Callback):
    """Stops a trial whose validation loss is above the median of the others at the same epoch."""

    trial: optuna.Trial

    def on_validation_end(self, trainer, pl_module):
        if not trainer.sanity_checking:
            self.trial.report(float(trainer.callback_metrics["val_loss"]), trainer.current_epoch)
            if self.trial.should_prune():
                raise optuna.TrialPruned


def train(trial):
    Pruning.trial = trial
    rate = trial.suggest_float("learning_rate", 1e-4, 1e-2, log=True)
    decay = trial.suggest_float("weight_decay", 1e-3, 1.0, log=True)
    trainer = {"max_epochs": 20, "devices": 1, "callbacks": [{"class_path": "__main__.Pruning"}]}
    model = {"learning_rate": rate, "weight_decay": decay}
    run = gl.fit(sys.argv[1], config=CONFIG, name="tune", model=model, trainer=trainer).path.parent
    trial.set_user_attr("run", str(run))
    return pd.read_csv(run / "history.csv")["val_loss"].iloc[-1]


if __name__ == "__main__":
    retry = optuna.storages.RetryFailedTrialCallback(max_retry=3)  # A killed trial is tried again.
    storage = optuna.storages.RDBStorage(
        "sqlite:///tune.db", heartbeat_interval=2, grace_period=10, failed_trial_callback=retry
    )
    pruner = optuna.pruners.MedianPruner(n_startup_trials=3, n_warmup_steps=3)
    study = optuna.create_study(storage=storage, study_name="tune", pruner=pruner, load_if_exists=True)
    states = (optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED)
    trials = int(sys.argv[2])
    if len(study.get_trials(states=states)) < trials:
        study.optimize(train, callbacks=[optuna.study.MaxTrialsCallback(trials, states=states)])
    print(f"Lowest validation loss: {study.best_value:.3f} with {study.best_params}")
    print(f"Run folder: {study.best_trial.user_attrs.get('run')}")
