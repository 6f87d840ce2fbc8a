import pytest
from lightning.pytorch.cli import LightningCLI

from data_prep.common.errors import GalaxyError
from galaxy_lightning.cli import fit_settings
from galaxy_lightning.cli.fit_settings import parse_fit_settings
from galaxy_lightning.cli.lightning_cli import GalaxyCLI
from galaxy_lightning.cli.main import main


class AskedError(Exception):
    """What the Trainer is asked for, which it then does not do."""


@pytest.fixture(scope="module")
def run(small_arrays, tmp_path_factory):
    runs = tmp_path_factory.mktemp("runs")
    main(
        ["fit", f"--data.arrays={small_arrays}", f"--runs={runs}", "--name=run", "--trainer.max_epochs=1",
         "--model.network=reference_cnn", "--model.image_size=64", "--trainer.limit_train_batches=1"]
    )  # fmt: skip
    return runs / "run/version_0"


@pytest.fixture
def asked(run, monkeypatch):
    make = GalaxyCLI.instantiate_classes

    def ask(command, *words):
        def note(model, **options):
            raise AskedError(options | {"model": model})

        def make_and_note(cli):
            make(cli)
            setattr(cli.trainer, command, note)

        monkeypatch.setattr(GalaxyCLI, "instantiate_classes", make_and_note)
        with pytest.raises(AskedError) as stopped:
            longer = ["--trainer.max_epochs=2"] if command == "fit" else []
            GalaxyCLI([command, "--ckpt_path", str(run / "last.ckpt"), *longer, *words])
        return stopped.value.args[0]

    return ask


@pytest.mark.parametrize(
    ("command", "quiet"),
    [("fit", {}), ("validate", {"verbose": False}), ("test", {"verbose": False}),
     ("predict", {"return_predictions": False})],
)  # fmt: skip
def test_the_trainer_runs_nothing_in_a_checkpoint_and_prints_nothing(asked, run, command, quiet):
    options = asked(command, "--weights_only=false")
    assert options["weights_only"] is True
    assert options["ckpt_path"] == str(run / "last.ckpt")
    assert quiet.items() <= options.items()


def test_other_settings_of_a_resumed_fit_are_refused_and_not_replaced_in_silence(run):
    with pytest.raises(GalaxyError, match="label_smoothing 0.0, not 0.25"):
        GalaxyCLI(["fit", "--ckpt_path", str(run / "last.ckpt"), "--model.label_smoothing=0.25"])


def test_the_settings_of_a_fit_are_parsed_without_making_anything(small_arrays):
    words = [f"--data.arrays={small_arrays}", "--name=three", "--trainer.max_epochs=3"]
    name, settings = parse_fit_settings(words)
    assert (name, settings["trainer"]["max_epochs"]) == ("three", 3)
    assert not hasattr(fit_settings._ParsingCLI(["fit", *words]), "trainer")


def test_no_private_method_of_lightnings_command_line_is_replaced():
    replaced = {name for name in dir(LightningCLI) if name.startswith("_") and not name.startswith("__")}
    for cli in (GalaxyCLI, fit_settings._ParsingCLI):
        assert not replaced & vars(cli).keys()
