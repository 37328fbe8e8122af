"""The tour's scene of records: right answers, right exit code."""

from holdall.cli import tour


def test_the_scene(capsys):
    assert tour.main(["records", "--files", "60"]) == 0
    shown = capsys.readouterr().out
    assert "60 PUT" in shown
    assert "60 GET" in shown
    assert "WRONG" not in shown
