import pytest

from galaxy_lightning.jobs.live_line import LiveLine
from tests.terminals import terminal


def test_the_line_and_the_time_left(monkeypatch):
    times = [0.0]
    with terminal(80) as (stream, read):
        monkeypatch.setattr("sys.stderr", stream)
        line = LiveLine(4, [1, 2, 3], clock=lambda: times[0])

        def shown():
            return read().rpartition("\r")[2].strip()

        assert shown() == "1 of 4 fits finished, 0 running"
        line.start(1)
        line.start(2)
        assert shown() == "1 of 4 fits finished, 2 running"
        times[0] = 10.0
        assert line.handle(1, "epoch 1/2  loss 0.5")
        assert shown() == "1 of 4 fits finished, 2 running, 0:50 left"
        assert not line.handle(1, "UserWarning: careful")
        assert line.handle(2, "epoch 1  loss 0.5")
        times[0] = 20.0
        line.finish(1, complete=True)
        assert shown() == "2 of 4 fits finished, 1 running, 0:40 left"
        line.finish(3, complete=True)  # Trained by another command.
        assert shown() == "3 of 4 fits finished, 1 running, 0:20 left"
        line.finish(2, complete=False)
        assert line.running == 0
        line.close()


def test_the_epochs_that_a_resumed_fit_had_finished_before_took_no_time():
    times = [0.0]
    line = LiveLine(2, [0, 1], clock=lambda: times[0])
    line.start(0)
    times[0] = 10.0
    line.handle(0, "epoch 9/10  loss 0.5")
    assert line.seconds_left() == pytest.approx(10 * 1.1 / 0.1)
    times[0] = 20.0
    line.finish(0, complete=True)
    assert line.seconds_left() == pytest.approx(20 / 0.2)
    line.close()


def test_nothing_is_shown_outside_a_terminal(capsys):
    line = LiveLine(2, [0, 1])
    line.start(0)
    assert line.seconds_left() is None
    line.close()
    assert capsys.readouterr().err == ""
