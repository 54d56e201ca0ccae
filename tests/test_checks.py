"""The mechanism of the exercises: each outcome, what it says, and that nothing else happens."""

import dataclasses
import inspect
import sys

import numpy as np
import pytest
import torch
from IPython.core.compilerop import CachingCompiler

from imgrec_lab import checks
from imgrec_lab.checks import Case, Exercise, Misconception, SpeedLimit, check_results, check_values


def double_solution(image: torch.Tensor) -> torch.Tensor:
    """Twice the image.

    Args:
        image: (H, W) float32.
    """
    return image * 2


def _cases() -> list[Case]:
    return [
        Case("one row", (torch.tensor([[1.0, 2.0]]),)),
        Case("two rows", (torch.arange(6.0).reshape(2, 3),)),
        Case("many rows", (torch.arange(400.0).reshape(20, 20),)),
    ]


def _exercise(**changes) -> Exercise:
    given = dict(
        name="double",
        title="twice as much",
        difficulty=1,
        minutes=2,
        teaches="To multiply.",
        reference=double_solution,
        why="Each number is multiplied by 2.",
        cases=_cases,
        hints=("Use *.", "image * 2"),
        misconceptions=(
            Misconception(lambda image: image**2, "This is the square."),
            Misconception(lambda image: image * 2 + image.shape[0] - 1, "Rows are added."),
            Misconception(lambda image: image.flatten(), "This is flat.", by_shape=True),
        ),
        as_picture=True,
    )
    return Exercise(**given | changes)


EXERCISE = _exercise()


def _answer_with(value):
    return lambda image: value


# --- outcomes --------------------------------------------------------------------------------


def test_right_answer_passes_without_code_or_picture():
    result = EXERCISE.check(lambda image: image + image)
    assert (result.passed, result.outcome, result.code, result.picture) == (True, "right", "", None)
    assert "All 3 cases agree" in result.text


@pytest.mark.parametrize("answer", [None, ..., _answer_with(None), _answer_with(...)])
def test_nothing_written_is_not_attempted(answer):
    result = EXERCISE.check(answer)
    assert (result.passed, result.outcome) == (False, "not attempted")
    assert "ex.double.hint()" in result.text


def test_not_implemented_is_not_attempted():
    def answer(image):
        raise NotImplementedError

    def with_words(image):
        raise NotImplementedError("write me")

    assert EXERCISE.check(answer).outcome == "not attempted"
    assert EXERCISE.check(with_words).outcome == "not attempted"


def test_a_forgotten_return_is_asked_for():
    def answer(image):
        image * 2

    assert "does it end in `return ...`?" in EXERCISE.check(answer).text


def test_the_stub_is_python_and_not_attempted():
    names = {"torch": torch}
    exec(EXERCISE.stub, names)
    assert EXERCISE.check(names["double"]).outcome == "not attempted"
    assert inspect.getdoc(names["double"]) == inspect.getdoc(double_solution)


def test_an_error_is_shown_with_the_learners_own_line():
    def helper(image):
        return image.reshape(7, 7)

    def answer(image):
        return helper(image)

    result = EXERCISE.check(answer)
    line = inspect.getsourcelines(helper)[1] + 1
    assert result.outcome == "raised an error"
    assert "RuntimeError: shape '[7, 7]' is invalid" in result.text
    assert f"In line {line}: return image.reshape(7, 7)" in result.text
    assert "Case 1 of 3: one row." in result.text


def test_an_error_inside_torch_is_shown_at_the_learners_line():
    def answer(image):
        return torch.nn.functional.interpolate(image, scale_factor=2)

    result = EXERCISE.check(answer)  # torch raises NotImplementedError here
    assert result.outcome == "raised an error"
    assert "return torch.nn.functional.interpolate" in result.text


def test_the_line_of_a_function_from_a_notebook_cell():
    source = "def double(image):\n    for row in image:\n        row.nonsense()\n    return image\n"
    filename = CachingCompiler().cache(source, 1)
    names = {}
    exec(compile(source, filename, "exec"), names)
    assert "In line 3: row.nonsense()" in EXERCISE.check(names["double"]).text


def test_an_error_without_source_still_answers():
    names = {}
    exec("def double(image):\n    return image / nothing\n", names)
    result = EXERCISE.check(names["double"])
    assert "NameError" in result.text and "In line 2: (source not at hand)" in result.text


def test_sys_exit_and_endless_recursion_do_not_end_the_kernel():
    def recursive(image):
        return recursive(image)

    assert "SystemExit: 3" in EXERCISE.check(lambda image: sys.exit(3)).text
    assert "RecursionError" in EXERCISE.check(recursive).text


def test_an_interrupted_loop_is_shown():
    def answer(image):
        while True:
            raise KeyboardInterrupt  # as the stop button does

    result = EXERCISE.check(answer)
    assert (result.passed, result.outcome) == (False, "interrupted")
    assert "Does a loop never end?\nIn line" in result.text
    assert "interrupt the kernel" in repr(EXERCISE)


def test_a_value_in_place_of_the_function():
    result = EXERCISE.check(torch.zeros(2, 2))
    assert result.outcome == "wrong type"
    assert "got a float32 tensor of shape (2, 2)" in result.text
    assert "Write ex.double.check(double)." in result.text


@pytest.mark.parametrize("answer", [lambda: 0, lambda image, kernel: image])
def test_wrong_argument_count(answer):
    result = EXERCISE.check(answer)
    assert result.outcome == "wrong arguments"
    assert "The function must take (image); yours takes (" in result.text


@pytest.mark.parametrize("answer", [lambda *args: args[0] * 2, lambda x, scale=2: x * scale])
def test_other_signatures_that_fit(answer):
    assert EXERCISE.check(answer).passed


def test_a_changed_input_is_noticed_and_does_no_harm():
    def answer(image):
        image *= 2
        return image

    result = EXERCISE.check(answer)
    assert (result.passed, result.outcome) == (False, "changed its input")
    assert "image is not what it was" in result.text
    assert EXERCISE.check(double_solution).passed


def test_a_changed_list_is_noticed():
    exercise = _exercise(
        reference=lambda layers: len(layers), cases=lambda: [Case("two", ([(3, 1), (3, 2)],))]
    )
    assert exercise.check(lambda layers: len(layers)).passed
    assert exercise.check(lambda layers: layers.pop() and 2).outcome == "changed its input"


@pytest.mark.parametrize("value", ["text", {"a": 1}, [1, "a"], object()])
def test_wrong_type(value):
    result = EXERCISE.check(_answer_with(value))
    assert result.outcome == "wrong type"
    assert f"got {check_values.kind(value)}." in result.text
    assert "0x" not in repr(result)


def test_wrong_shape():
    result = EXERCISE.check(lambda image: image[:, :1])
    assert result.outcome == "wrong shape"
    assert "Expected shape (1, 2); got (1, 1)." in result.text


def test_wrong_dtype():
    result = EXERCISE.check(lambda image: (image * 2).long())
    assert result.outcome == "wrong dtype"
    assert "Expected a float32 tensor of shape (1, 2); got a int64 tensor" in result.text
    assert EXERCISE.check(lambda image: (image * 2).double()).outcome == "wrong dtype"


def test_a_float_where_a_whole_number_belongs():
    exercise = _exercise(reference=lambda size: size // 2, cases=lambda: [Case("8", (8,))])
    result = exercise.check(lambda size: size / 2)
    assert result.outcome == "wrong dtype"
    assert "Expected an int; got a float. Whole numbers stay whole with //" in result.text
    text = exercise.check(lambda size: torch.ones(size // 2).sum()).text
    assert "got a float32 tensor of shape (). Write int(...) around it." in text


def test_a_whole_number_where_a_float_belongs():
    exercise = _exercise(
        reference=lambda size: size / 8, cases=lambda: [Case("8", (8,)), Case("4", (4,))]
    )
    assert exercise.check(lambda size: 1 if size == 8 else size / 8).passed
    result = exercise.check(lambda size: 1)
    assert result.outcome == "wrong values" and "Expected 0.5; got 1." in result.text


def test_wrong_values_are_counted_and_measured_in_the_smallest_failing_case():
    result = EXERCISE.check(lambda image: image * 2 - (image == 4) * 3)
    assert result.outcome == "wrong values"
    assert "1 of 6 numbers differ; the largest difference is 3." in result.text
    assert "Case 2 of 3: two rows." in result.text
    assert "expected = [[ 0.,  2.,  4.]," in result.code


def test_true_and_false_in_the_wrong_places_are_located():
    exercise = _exercise(reference=lambda image: image > 2, misconceptions=())
    text = exercise.check(lambda image: image > 1).text
    assert "1 of 2 numbers differ, at [[0, 1]].\nCase 1 of 3" in text
    row = _exercise(reference=lambda image: image.flatten() > 2, misconceptions=())
    one = row.check(lambda image: (image.flatten() > 2) & (image.flatten() != 5)).text
    assert "1 of 6 numbers differ, at [5]." in one
    many = row.check(lambda image: (image.flatten() > 2) & (image.flatten() < 6)).text
    assert "394 of 400 numbers differ, at [6, 7, 8, 9, 10, 11, 12, 13, 14, 15], and more." in many
    single = _exercise(reference=lambda image: image.sum() > 2, misconceptions=())
    assert "Expected True; got False." in single.check(lambda image: image.sum() < 0).text


def test_nan_is_wrong_and_named():
    result = EXERCISE.check(lambda image: image * float("nan"))
    assert "2 of 2 numbers differ; some are nan or infinite." in result.text


def test_nan_that_is_missing_is_named():
    exercise = _exercise(reference=lambda image: image / (image != 1), misconceptions=())
    assert exercise.check(lambda image: image / (image != 1)).passed
    text = exercise.check(lambda image: image).text
    assert "1 of 2 numbers differ; some of them should be nan or infinite." in text


def test_the_largest_difference_leaves_out_infinities_that_are_right():
    exercise = _exercise(reference=lambda image: 1 / (image - 1), misconceptions=())
    text = exercise.check(lambda image: 1 / (image - 1) + 2).text
    assert "1 of 2 numbers differ; the largest difference is 2." in text


def test_rounding_is_right():
    assert EXERCISE.check(lambda image: (image.double() * 2 * (1 + 1e-6)).float()).passed


def test_right_but_slow():
    exercise = _exercise(speed_limit=SpeedLimit(5, "Multiply the whole image."))

    def answer(image):
        return torch.stack([torch.stack([number * 2 for number in row]) for row in image])

    result = exercise.check(answer)
    assert (result.passed, result.outcome) == (True, "right but slow")
    assert "over 5 times as long as the solution. Multiply the whole image." in result.text
    assert exercise.check(lambda image: 2 * image).outcome == "right"


@pytest.mark.parametrize("answer", [torch.square, lambda image: torch.square(image)])
def test_the_forbidden_function_is_seen(answer):
    exercise = _exercise(reference=lambda image: image**2, without=("square",), misconceptions=())
    result = exercise.check(answer)
    assert (result.passed, result.outcome) == (False, "not by hand")
    assert "But it calls square" in result.text


# --- tolerance for what is right in value ------------------------------------------------------


@pytest.mark.parametrize("convert", [torch.Tensor.tolist, torch.Tensor.numpy])
def test_lists_and_arrays_pass_with_a_remark(convert):
    result = EXERCISE.check(lambda image: convert(image * 2))
    assert result.passed and "the course goes on with tensors" in result.text


@pytest.mark.parametrize(
    "answer",
    [
        lambda image: [row * 2 for row in image],
        lambda image: image.flip(0).numpy()[::-1] * 2,
        lambda image: [[number * 2 for number in row] for row in image],
    ],
)
def test_lists_of_rows_and_reversed_arrays_pass(answer):
    assert EXERCISE.check(answer).passed


def test_a_wrong_array_is_explained_like_a_wrong_tensor():
    result = EXERCISE.check(lambda image: image.numpy() ** 2)
    assert result.outcome == "wrong values" and "This is the square." in result.text


def test_a_float64_array_passes_and_a_tensor_with_gradient_too():
    assert EXERCISE.check(lambda image: image.numpy().astype(np.float64) * 2).passed
    assert EXERCISE.check(lambda image: image * torch.tensor(2.0, requires_grad=True)).passed


def test_a_tensor_for_a_plain_number_passes():
    exercise = _exercise(reference=lambda size: size + 1, cases=lambda: [Case("8", (8,))])
    assert exercise.check(lambda size: torch.tensor(size + 1)).passed


def test_several_results_are_named():
    exercise = _exercise(
        reference=lambda image: (image.amin(), image.amax()), returns=("low", "high")
    )
    assert exercise.check(lambda image: [image.amin(), image.amax()]).passed
    wrong = exercise.check(lambda image: (image.amin(), image.amin()))
    assert "high: Expected 2; got 1." in wrong.text
    assert "expected = [0] 1\nexpected = [1] 2" in wrong.code
    missing = exercise.check(lambda image: image.amin())
    assert "Expected a tuple (low, high); got a float32 tensor" in missing.text


# --- misconceptions ----------------------------------------------------------------------------


def test_a_misconception_is_recognised_by_its_values():
    result = EXERCISE.check(lambda image: image * image)
    assert result.text.startswith("This is the square.")


def test_the_other_cases_decide_between_misconceptions_that_agree_on_the_smallest():
    first = Misconception(lambda image: image * 0, "Always zero.")
    second = Misconception(lambda image: image * (len(image) - 1), "Rows less one.")
    exercise = _exercise(misconceptions=(first, second))
    assert "Rows less one." in exercise.check(lambda x: x * (x.shape[0] - 1)).text
    assert "Always zero." in exercise.check(torch.zeros_like).text


def test_a_misconception_is_not_named_for_the_smallest_case_alone():
    def answer(image):
        return image**2 if len(image) == 1 else image * 5

    assert EXERCISE.check(answer).text.startswith("1 of 2 numbers differ")


def test_a_wrong_shape_alone_is_enough_only_where_it_is_said_so():
    assert "This is flat." in EXERCISE.check(lambda image: 3 * image.flatten()).text
    assert "This is flat." not in EXERCISE.check(lambda image: 3 * image).text


def test_a_wrong_answer_of_no_known_kind_gets_no_story():
    assert EXERCISE.check(lambda image: image * 3).text.startswith("2 of 2 numbers differ")


# --- exercises that are more than one call ------------------------------------------------------


def _called_twice(double, start):
    """Both results of a function that is called on what it returned."""
    once = double(start)
    return None if once is None else (once, double(once))


TWICE = _exercise(use=_called_twice, returns=("once", "twice"), as_picture=False)


def test_what_is_made_of_several_calls_is_compared():
    assert TWICE.check(lambda image: image + image).passed
    result = TWICE.check(lambda image: image + 1 if len(image) == 1 else image * 2)
    assert result.outcome == "wrong values" and "once: 1 of 2 numbers differ" in result.text
    result = TWICE.check(lambda image: image * 2 if image.max() < 3 else image)
    assert "twice: 2 of 2 numbers differ" in result.text
    assert result.code.startswith("start = [[1., 2.]]\nexpected = [0] [[2., 4.]]\n")


def test_misconceptions_and_faults_are_found_in_several_calls():
    assert "This is the square." in TWICE.check(lambda image: image * image).text
    assert "This is flat." in TWICE.check(lambda image: 3 * image.flatten()).text
    assert TWICE.check(lambda image: None).outcome == "not attempted"
    assert TWICE.check(lambda: 0).outcome == "wrong arguments"
    changed = TWICE.check(lambda image: image.mul_(2))
    assert changed.outcome == "changed its input" and "start is not what it was" in changed.text
    result = TWICE.check(lambda image: image.nonsense())
    assert "In line" in result.text and "image.nonsense()" in result.text


def test_several_calls_are_timed_together():
    exercise = dataclasses.replace(TWICE, speed_limit=SpeedLimit(5, "All at once."))
    slow = exercise.check(
        lambda image: torch.stack([2 * x for x in image.flatten()]).view_as(image)
    )
    assert slow.outcome == "right but slow"


# --- what is shown -----------------------------------------------------------------------------


def test_prints_are_kept_short_and_beside_the_failing_case(capsys):
    def answer(image):
        print("x" * 1_000_000)
        return image

    result = EXERCISE.check(answer)
    assert capsys.readouterr().out == ""
    assert "It printed:\n" + "x" * 500 + " ..." in result.code
    assert len(repr(result)) < 2_000


def test_the_same_fault_gives_the_same_text_and_html():
    first, second = (EXERCISE.check(lambda image: image * 3) for _ in range(2))
    assert repr(first) == repr(second)
    assert first._note()._repr_html_() == second._note()._repr_html_()


def test_html_is_escaped_and_without_picture_data():
    result = EXERCISE.check(_answer_with("<b>"))
    shown = check_results.Note("a < b", "c & d", "<pre>")._repr_html_()
    assert "a &lt; b" in shown and "c &amp; d" in shown and "&lt;pre&gt;" in shown
    assert "base64" not in result._note()._repr_html_()


def test_a_failing_picture_is_drawn_and_displayed_beside_the_words(monkeypatch):
    import IPython.display

    shown = []
    monkeypatch.setattr(IPython.display, "display", shown.append)
    for wrong in (lambda image: image * 3, lambda image: image[:1, :1], lambda image: image / 0):
        result = EXERCISE.check(wrong)
        assert result.picture.startswith(b"\x89PNG")
    result._ipython_display_()
    assert [type(value).__name__ for value in shown] == ["Note", "Image"]
    EXERCISE.check(double_solution)._ipython_display_()
    assert len(shown) == 3  # words only


@pytest.mark.parametrize("shape", [(5_000, 1), (1, 5_000), (2_000, 2_000), (0, 3)])
def test_a_result_of_absurd_size_is_still_answered(shape):
    result = EXERCISE.check(lambda image: torch.zeros(shape))
    assert result.outcome == "wrong shape"
    assert len(result.picture or b"") < 100_000


def test_what_is_no_picture_is_not_drawn():
    assert EXERCISE.check(_answer_with(1.0)).picture is None
    assert _exercise(as_picture=False).check(lambda image: image).picture is None


def test_large_values_are_described_not_printed():
    assert check_values.show(torch.zeros(9, 9), "x = ") == "x = a float32 tensor of shape (9, 9)"
    assert check_values.show([(3, 1)], "x = ") == "x = [(3, 1)]"
    assert check_values.show(object(), "x = ") == "x = an object"


def test_an_exercise_introduces_itself():
    text = repr(EXERCISE)
    for part in ("double: twice as much", "Difficulty 1 of 3", "about 2 minutes", "To multiply."):
        assert part in text and part in EXERCISE._repr_html_()


def test_each_call_of_hint_shows_the_next():
    exercise = _exercise(hints=("One.", "Two.", "Three."))
    shown = [exercise.hint().text.splitlines()[0] for _ in range(4)]
    assert shown == ["One.", "Two.", "Three.", "Three."]
    assert exercise.hint(1).text.startswith("One.") and exercise.hint().text.startswith("Two.")


def test_the_solution_can_be_pasted_and_checked():
    names = {"torch": torch}
    exec(EXERCISE.solution().code, names)
    assert EXERCISE.check(names["double"]).passed


def test_hints_lead_on_to_the_solution():
    assert "Use *.\nStill stuck? ex.double.hint(2)" in repr(_exercise().hint())
    assert "image * 2\nStill stuck? ex.double.solution()" in repr(EXERCISE.hint(2))


def test_the_solution_shows_its_real_source_and_why():
    text = repr(EXERCISE.solution())
    assert "return image * 2" in text and "Each number is multiplied by 2." in text


# --- errors of authors and callers -------------------------------------------------------------


@pytest.mark.parametrize("step", [0, 3, -1])
def test_a_hint_that_is_not_there(step):
    with pytest.raises(ValueError, match=f"double has the hints 1 to 2; got {step}"):
        EXERCISE.hint(step)


def test_exercises_are_validated():
    with pytest.raises(ValueError, match="difficulty must be 1, 2 or 3; got 4"):
        _exercise(difficulty=4)
    with pytest.raises(ValueError, match="double must have a hint; got none"):
        _exercise(hints=())


def test_results_and_exercises_are_frozen():
    with pytest.raises(AttributeError):
        EXERCISE.check(None).outcome = "right"
    with pytest.raises(AttributeError):
        EXERCISE.name = "other"
    assert checks.Result is check_results.Result
