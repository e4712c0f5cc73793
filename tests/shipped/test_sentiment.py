"""The small list of words in real boxes."""

import pytest

pytestmark = pytest.mark.gvisor


def test_lines_are_judged_by_their_words_and_what_stands_before_them(load, result) -> None:
    load("sentiment")
    text = (
        "I love it, the best tool.\nThe worst. It crashed and support was rude!\nThe box is 3 cm wide.\n\n"
        "Not good.\nNot bad at all.\nNo. Great work.\nVery good\ngood\nIch hasse es.\nThis isn\u2019t useful."
    )
    told = result("sentiment_of_lines", text=text)
    labels = [each["label"] for each in told["lines"]]
    assert "".join(label[0] for label in labels) == "funuffffnu"
    scores = {each["text"]: each["score"] for each in told["lines"]}
    assert scores["Very good"] > scores["good"] > scores["Not bad at all."] > 0
    assert told["counts"] == {"friendly": 5, "neutral": 2, "unfriendly": 3}
    one = result("sentiment", text="The worst. It crashed and support was rude!")
    assert one["unfriendly"] == ["crashed", "rude", "worst"]
    assert -1 <= one["score"] < -0.5
    assert result("sentiment_of_lines", text="\n")["mean"] == 0
