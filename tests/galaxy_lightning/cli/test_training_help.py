import pytest

from data_prep.common.plain_help import PlainHelp
from galaxy_lightning.cli.main import main
from galaxy_lightning.cli.training_help import TrainingHelp


def help_of_fit(capsys):
    with pytest.raises(SystemExit):
        main(["fit", "--help"])
    return capsys.readouterr().out


@pytest.mark.parametrize(
    ("formatter", "method"),
    [
        (TrainingHelp, "start_section"),
        (TrainingHelp, "add_arguments"),
        (TrainingHelp, "_get_help_string"),
        (PlainHelp, "_get_help_string"),
    ],
)
def test_where_argparse_calls_a_method_no_more_the_help_is_still_there(
    monkeypatch, capsys, formatter, method
):
    monkeypatch.delattr(formatter, method)
    text = help_of_fit(capsys)
    assert all(option in text for option in ("--data.arrays", "--model.network", "--trainer.max_epochs"))
