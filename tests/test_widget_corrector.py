"""Correcting labels: the decisions, their log on disk, and the screen driven without a browser."""

import io
import json
from dataclasses import replace

import pytest
import torch
from PIL import Image

from imgrec_lab.audit import label_errors
from imgrec_lab.audit.label_review import LOG_NAME, Decision, Review
from imgrec_lab.datasets import ImageSet
from imgrec_lab.widgets import widget_corrector
from imgrec_lab.widgets.widget_corrector import label_corrector

CLASSES = ("cat", "dog", "<owl>")


def pictures(channels=3, height=12, width=12):
    """Twelve random pictures, four of a class."""
    generator = torch.Generator().manual_seed(0)
    shape = (12, channels, height, width)
    images = torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)
    return ImageSet(images, torch.arange(12) % 3, CLASSES, "pets train")


def suspects_of(image_set, indices=(5, 0, 7, 10)):
    """The pictures at ``indices`` are suspected, each to belong to the next class."""
    indices = torch.tensor(indices, dtype=torch.int64)
    given = image_set.labels[indices]
    probs = torch.full((len(indices), 3), 0.08)
    probs[range(len(indices)), (given + 1) % 3] = 0.9
    probs[range(len(indices)), given] = 0.02
    scores = torch.full((len(indices),), 0.02)
    return label_errors.LabelSuspects(indices, given, (given + 1) % 3, scores, probs)


def new_review(out=None, indices=(5, 0, 7, 10)):
    image_set = pictures()
    return Review(image_set, suspects_of(image_set, indices), out=out)


def new_panel(out=None, image_set=None):
    image_set = image_set or pictures()
    return label_corrector(image_set, suspects_of(image_set), out=out)


def kinds(review):
    return [row.kind for row in review.log]


# ------------------------------------------------------------------------------------ the decisions


def test_each_decision_is_noted_and_the_next_suspect_comes():
    review = new_review()
    review.keep()
    review.correct()
    review.correct(0)
    review.drop()
    assert review.position == 4
    assert review.log == (
        Decision(5, given=2, new=2),
        Decision(0, given=0, new=1),
        Decision(7, given=1, new=0),
        Decision(10, given=1, new=None),
    )
    assert kinds(review) == ["keep", "correct", "correct", "drop"]
    assert review.counts() == {"keep": 1, "correct": 2, "drop": 1}


def test_a_correction_to_the_given_label_keeps_it():
    review = new_review()
    review.correct(2)
    assert kinds(review) == ["keep"]


def test_undo_takes_decisions_back_one_by_one():
    review = new_review()
    review.keep()
    review.drop()
    review.undo()
    assert (review.position, kinds(review)) == (1, ["keep"])
    review.undo()
    assert (review.position, kinds(review)) == (0, [])
    with pytest.raises(ValueError, match="there must be a decision to undo; none was made yet"):
        review.undo()


def test_a_second_thought_counts_and_can_be_undone():
    review = new_review()
    review.correct()
    review.move(-1)
    review.drop()
    assert review.decisions() == {5: Decision(5, 2, None)} and review.counts() == {"drop": 1}
    review.undo()
    assert review.decisions() == {5: Decision(5, 2, 0)}


def test_moving_decides_nothing_and_stays_inside():
    review = new_review()
    review.move(-1)
    assert review.position == 0
    for _ in range(9):
        review.move(1)
    assert review.position == 4 and review.log == ()
    for decide in (review.keep, review.correct, review.drop):
        with pytest.raises(ValueError, match=r"all 4 were looked at. Go back with move\(-1\)"):
            decide()


def test_a_correction_must_name_a_class():
    for label in (3, -1):
        with pytest.raises(ValueError, match=rf"label must lie in 0..2; got {label}"):
            new_review().correct(label)


# ---------------------------------------------------------------------------------- the new version


def test_the_result_is_a_new_set_and_the_old_one_stays():
    review = new_review()
    before = review.image_set.labels.clone()
    review.keep()
    review.correct()
    review.drop()
    corrected, log = review.result()
    assert log == (Decision(0, 0, 1), Decision(5, 2, 2), Decision(7, 1, None))
    expected = before.clone()
    expected[0] = 1
    rest = [index for index in range(12) if index != 7]
    assert corrected.labels.equal(expected[rest])
    assert corrected.images.equal(review.image_set.images[rest])
    assert review.image_set.labels.equal(before) and len(review.image_set) == 12


def test_nothing_decided_changes_nothing_but_the_version():
    review = new_review()
    corrected, log = review.result()
    assert log == () and corrected.name == "pets train v2"
    assert corrected.labels.equal(review.image_set.labels)
    assert corrected.images.equal(review.image_set.images)


@pytest.mark.parametrize(
    ("name", "version"), [("signs v2", "signs v3"), ("signs v19", "signs v20"), ("v2", "v2 v2")]
)
def test_the_name_counts_versions(name, version):
    image_set = replace(pictures(), name=name)
    assert Review(image_set, suspects_of(image_set)).result().image_set.name == version


# ------------------------------------------------------------------------------------------ the log


def test_every_decision_is_on_disk_at_once_for_people_too(tmp_path):
    review = new_review(tmp_path / "review")
    path = tmp_path / "review" / LOG_NAME
    assert not path.exists()
    review.correct()
    review.drop()
    saved = json.loads(path.read_text())
    assert saved["set"] == "pets train"
    assert saved["decisions"] == [
        {"index": 5, "given": "<owl>", "new": "cat", "decision": "correct"},
        {"index": 0, "given": "cat", "new": None, "decision": "drop"},
    ]
    review.undo()
    assert len(json.loads(path.read_text())["decisions"]) == 1
    assert [file.name for file in path.parent.iterdir()] == [LOG_NAME]


def test_a_review_goes_on_where_it_stopped(tmp_path):
    first = new_review(tmp_path)
    first.correct()
    first.move(1)
    first.drop()
    again = new_review(tmp_path)
    assert again.log == first.log and again.position == 1  # the one that was passed over
    again.move(5)
    again.undo()
    assert again.position == 2 and kinds(again) == ["correct"]


def test_a_review_goes_on_with_other_suspects_of_the_same_set(tmp_path):
    first = new_review(tmp_path)
    first.correct()
    first.drop()
    again = new_review(tmp_path, indices=(0, 3))
    assert again.position == 1 and again.counts() == {"drop": 1}
    again.undo()
    again.undo()  # the one before is no suspect any more
    assert (again.position, again.log) == (0, ())


@pytest.mark.parametrize(
    "change",
    [
        {"labels": pictures().labels.roll(3).flip(0)},
        {"images": pictures().images.flip(3)},
        {"classes": ("cat", "dog", "fox")},
    ],
)
def test_the_log_of_another_set_is_refused_and_kept(tmp_path, change):
    new_review(tmp_path).keep()
    before = (tmp_path / LOG_NAME).read_bytes()
    other = replace(pictures(), name="others", **change)
    with pytest.raises(ValueError) as error:
        Review(other, suspects_of(other), out=tmp_path)
    assert "must belong to this set, 'others'; it belongs to 'pets train'" in str(error.value)
    assert (tmp_path / LOG_NAME).read_bytes() == before


@pytest.mark.parametrize("text", ["{", "[]", '{"set": "pets train"}', '"text"', "\udcff"])
def test_a_damaged_log_is_refused_and_kept(tmp_path, text):
    (tmp_path / LOG_NAME).write_text(text, "utf-8", "surrogateescape")
    with pytest.raises(
        ValueError, match="it is damaged or of another kind .* or name another folder"
    ):
        new_review(tmp_path)
    assert (tmp_path / LOG_NAME).exists()


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        ({"index": 999}, "index must be one of 0..11; got 999"),
        ({"index": "x"}, "index must be one of 0..11; got 'x'"),
        ({"index": -1}, "index must be one of 0..11; got -1"),
        ({"index": True}, "index must be one of 0..11; got True"),
        ({"given": "dog"}, "given must be '<owl>' for picture 5; got 'dog'"),
        ({"given": None}, "given must be '<owl>' for picture 5; got None"),
        ({"new": "fox"}, "new must be null or one of cat, dog, <owl>; got 'fox'"),
        ({"new": ["cat"]}, "new must be null or one of cat, dog, <owl>; got ['cat']"),
    ],
)
def test_an_edited_log_is_refused_with_the_reason(tmp_path, edit, reason):
    new_review(tmp_path).keep()
    saved = json.loads((tmp_path / LOG_NAME).read_text())
    saved["decisions"][0] |= edit
    (tmp_path / LOG_NAME).write_text(json.dumps(saved))
    with pytest.raises(ValueError) as error:
        new_review(tmp_path)
    assert f"({type(error.value).__name__}: {reason}). It was left as it is" in str(error.value)


def test_two_reviews_of_one_set_keep_each_others_decisions(tmp_path):
    first, second = new_review(tmp_path), new_review(tmp_path)
    first.keep()
    first.correct()
    first.drop()
    second.move(3)
    second.keep()
    assert second.log == (*first.log, Decision(10, 1, 1)) == new_review(tmp_path).log
    first.undo()  # its own last one, though another came after it
    assert new_review(tmp_path).decisions().keys() == {5, 0, 10}
    second.undo()
    second.undo()  # the first one's, as it is the last that both know
    first.undo()  # the second one's, which was taken back already
    assert new_review(tmp_path).log == first.log == (Decision(5, 2, 2),)


def test_a_log_that_is_gone_is_written_again_and_a_damaged_one_is_kept(tmp_path):
    panel = new_panel(tmp_path)
    panel.parts.correct.click()
    (tmp_path / LOG_NAME).unlink()
    panel.parts.drop.click()
    assert kinds(new_review(tmp_path)) == ["correct", "drop"]
    (tmp_path / LOG_NAME).write_text("{")
    panel.parts.keep.click()
    assert "Not saved, so not decided:</b> " in panel.parts.message.value
    assert "it is damaged or of another kind" in panel.parts.message.value
    assert (tmp_path / LOG_NAME).read_text() == "{" and len(panel.review.log) == 2


def test_what_cannot_be_saved_is_not_decided(tmp_path, monkeypatch):
    review = new_review(tmp_path)

    def full(path, text):
        raise OSError("no space left")

    monkeypatch.setattr("imgrec_lab.atomic_files.write_text", full)
    with pytest.raises(OSError, match="no space left"):
        review.keep()
    assert review.log == () and review.position == 0


def test_suspects_of_another_set_are_refused():
    image_set = pictures()
    suspects = suspects_of(image_set)
    for other in (replace(image_set, labels=image_set.labels.roll(1)), image_set[:6]):
        with pytest.raises(ValueError, match="must have been found in the labels of this set"):
            Review(other, suspects)
    more = replace(image_set, classes=(*CLASSES, "fox"))
    with pytest.raises(ValueError, match="know the 4 classes of the set; their probs have 3"):
        Review(more, suspects)


# --------------------------------------------------------------------------------------- the screen


def size_of(part):
    return Image.open(io.BytesIO(bytes(part.value))).size


def test_the_screen_shows_picture_labels_and_progress():
    parts = new_panel().parts
    assert parts.message.value == "<b>0 of 4</b> decided · this is suspect 1"
    assert "picture 5<br>cat 0.900<br>dog 0.080" in parts.facts.value
    assert "The label says<br><b>&lt;owl&gt;</b>, probability 0.020" in parts.given.value
    assert "The model says<br><b>cat</b>, probability 0.900" in parts.other.value
    assert size_of(parts.picture) == (234, 234)
    assert size_of(parts.given_examples) == (234, 74)  # three of four: one is suspected
    assert parts.choice.options == (("cat", 0), ("dog", 1)) and parts.choice.value == 0
    assert parts.back.disabled and parts.undo.disabled and not parts.forward.disabled


def test_every_button_does_what_it_says():
    panel = new_panel()
    parts = panel.parts
    parts.keep.click()
    parts.correct.click()
    parts.drop.click()
    assert kinds(panel.review) == ["keep", "correct", "drop"]
    assert parts.message.value == (
        "<b>3 of 4</b> decided · 1 kept, 1 corrected, 1 dropped · this is suspect 4"
    )
    parts.back.click()
    assert "picture 7: <b>dropped</b>" in parts.facts.value
    parts.undo.click()
    assert "<b>2 of 4</b>" in parts.message.value and "picture 7<br>" in parts.facts.value
    parts.forward.click()
    assert "picture 10<br>" in parts.facts.value


def test_another_class_can_be_chosen_and_is_shown_when_one_returns():
    panel = new_panel()
    parts = panel.parts
    before = bytes(parts.other_examples.value)
    parts.choice.value = 1
    assert "You chose<br><b>dog</b>, probability 0.080" in parts.other.value
    assert bytes(parts.other_examples.value) != before
    parts.correct.click()
    assert panel.review.log == (Decision(5, 2, 1),)
    assert "The model says" in parts.other.value
    parts.back.click()
    assert parts.choice.value == 1 and "You chose<br><b>dog</b>" in parts.other.value


def test_a_click_draws_each_picture_once():
    parts = new_panel().parts
    drawn = []
    for part in (parts.picture, parts.given_examples, parts.other_examples):
        part.observe(drawn.append, "value")
    parts.drop.click()
    assert len(drawn) == 3


def test_after_the_end_the_last_picture_stays_until_one_goes_back():
    panel = new_panel()
    parts = panel.parts
    for _ in range(4):
        parts.keep.click()
    assert parts.message.value == (
        "<b>4 of 4</b> decided · 4 kept · <code>panel.review.result()</code> is the new version"
    )
    assert "picture 10: <b>kept</b>" in parts.facts.value
    deciding = (parts.keep, parts.correct, parts.choice, parts.drop, parts.forward)
    assert all(part.disabled for part in deciding)
    parts.back.click()
    assert "this is suspect 4" in parts.message.value and "picture 10" in parts.facts.value
    assert not any(part.disabled for part in deciding)


def test_a_finished_review_opens_at_its_end(tmp_path):
    panel = new_panel(tmp_path)
    for _ in range(4):
        panel.parts.correct.click()
    again = new_panel(tmp_path)
    assert "4 corrected" in again.parts.message.value
    assert "picture 10: <b>corrected</b>" in again.parts.facts.value
    assert again.parts.keep.disabled and again.parts.choice.disabled


def test_no_suspects_is_an_end_as_well():
    image_set = pictures()
    panel = label_corrector(image_set, suspects_of(image_set, ()))
    assert "<b>0 of 0</b> decided" in panel.parts.message.value
    assert panel.parts.back.disabled and panel.parts.undo.disabled


def test_the_screen_goes_on_where_a_lost_kernel_stopped(tmp_path):
    new_panel(tmp_path).parts.correct.click()
    parts = new_panel(tmp_path).parts
    assert parts.message.value == "<b>1 of 4</b> decided · 1 corrected · this is suspect 2"
    assert not parts.undo.disabled


def test_a_full_disk_is_said_on_the_screen(tmp_path, monkeypatch):
    panel = new_panel(tmp_path)

    def full(path, text):
        raise OSError("no space left")

    monkeypatch.setattr("imgrec_lab.atomic_files.write_text", full)
    panel.parts.keep.click()
    assert panel.parts.message.value == "<b>Not saved, so not decided:</b> no space left"
    assert "picture 5" in panel.parts.facts.value and panel.review.position == 0


@pytest.mark.parametrize(("channels", "height", "width"), [(1, 12, 12), (3, 8, 40), (3, 300, 20)])
def test_grey_wide_and_large_pictures_fit_into_the_same_squares(channels, height, width):
    parts = new_panel(image_set=pictures(channels, height, width)).parts
    assert size_of(parts.picture) == (234, 234) and size_of(parts.given_examples) == (234, 74)
    picture = Image.open(io.BytesIO(bytes(parts.picture.value))).getchannel("A")
    left, top, right, bottom = picture.getbbox()
    assert (right - left) / (bottom - top) == pytest.approx(width / height, rel=0.1)


def test_a_class_without_trusted_pictures_has_no_examples():
    image_set = pictures()
    parts = label_corrector(image_set, suspects_of(image_set, (2, 5, 8, 11))).parts
    assert size_of(parts.given_examples) == (1, 1)


def test_tiny_probabilities_are_put_in_words():
    assert widget_corrector._share(0.0004) == "below 0.001"
    assert widget_corrector._share(0.0006) == "0.001"
