import pytest

from data_prep.commands import Commands, options_without
from data_prep.errors import GalaxyError


@pytest.fixture
def done():
    return []


@pytest.fixture
def commands(done):
    commands = Commands("python -m telescope", "Looks at the sky.")
    look = commands.add("look", "--at NAME", "Look at an object. Takes a while.", done.append)
    look.add_argument("--at", required=True, help="its name")
    look.add_argument("--exposure-time", type=float, default=30.0, help="in seconds")
    group = commands.add_group("calibrate", "Calibrate an instrument.", "INSTRUMENT [options]")

    def fail(options):
        raise GalaxyError("the shutter\nis stuck")

    group.add("camera", "", "The camera.", fail).add_argument("--config", action="config")
    return commands


def test_a_command_gets_its_options_however_they_are_spelled(commands, done):
    commands.main(["look", "--at", "M31", "--exposure_time", "60"])
    (options,) = done
    assert options_without(options, "at") == {"exposure_time": 60.0}


def test_a_command_of_a_group_fails_in_one_line_under_its_whole_name(commands, capsys):
    with pytest.raises(SystemExit, match="1"):
        commands.main(["calibrate", "camera"])
    assert capsys.readouterr().err == "python -m telescope calibrate camera: error: the shutter is stuck\n"


def test_without_words_the_help_lists_first_sentences(commands, capsys):
    commands.main([])
    shown = capsys.readouterr().out
    assert "Look at an object.\n" in shown
    assert "Takes a while" not in shown
    commands.main(["calibrate"])
    assert capsys.readouterr().out.startswith("usage: python -m telescope calibrate INSTRUMENT")


def test_unknown_commands_are_refused(commands, capsys):
    with pytest.raises(SystemExit, match="2"):
        commands.main(["listen"])
    assert "listen" in capsys.readouterr().err
