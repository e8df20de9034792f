"""What is checked when a journal is opened again."""

from journal_scene import grown

from console.journal.write import opening_check
from console.journal.write.journal import Journal


def test_a_long_journal_without_news_opens_again_and_again(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(opening_check, "WHOLE", 4)
    path = grown(tmp_path / "journal.db", 9)
    for _ in range(3):
        with Journal(path) as journal:
            assert journal.problem == ""
