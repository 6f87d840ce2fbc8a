import pytest

from data_prep.cli import main
from data_prep.cutouts import client
from tests.data_prep.cutouts.image_server import SIZE, ImageServer
from tests.data_prep.cutouts.runs import write_table


@pytest.fixture
def server():
    server = ImageServer()
    yield server
    server.close()


@pytest.fixture
def hurried(monkeypatch):
    """Makes the pauses between attempts short."""
    monkeypatch.setattr(client, "BACKOFF_SECONDS", 0.001)


@pytest.fixture
def words(server, hurried, tmp_path):
    """Returns the words of a command for a table with these columns."""

    def words(*more, table=None, **columns):
        path = tmp_path / "t.csv" if table is None else table
        if table is None:
            write_table(path, **columns)
        source = [] if any(word in ("--survey", "--url") for word in more) else ["--url", server.template]
        return [
            "cutouts", "--table", str(path), *source, "--pixel-scale", "0.4", "--size", str(SIZE), "--out",
            str(tmp_path / "out"), "--rate", "1000", *map(str, more),
        ]  # fmt: skip

    return words


@pytest.fixture
def fails(capsys):
    """Runs a command that fails with one line, which it returns."""

    def fails(words):
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(words)
        assert ended.value.code == 1
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        return error

    return fails
