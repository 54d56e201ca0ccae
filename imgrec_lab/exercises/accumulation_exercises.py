"""An exercise of lesson 09: a batch that does not fit into memory, taken in parts."""

import torch
import torch.nn.functional as F
from torch import nn

from imgrec_lab.checks import Case, Exercise, Misconception


def accumulate_solution(model, optimizer, batches: list[tuple[torch.Tensor, torch.Tensor]]) -> None:
    """One step of training on a large batch, of which only a part fits into memory at a time.

    The weights move once, and as far as if all pictures had gone through the model together: by
    the gradients of the mean cross-entropy over all of them. Earlier gradients must not count.

    Args:
        model: an nn.Module that maps images to logits (N, K).
        optimizer: of torch.optim, for the model's weights.
        batches: the parts, (images, labels) each. They may differ in size.
    """
    num_images = sum(len(labels) for _, labels in batches)
    optimizer.zero_grad()
    for images, labels in batches:
        loss = F.cross_entropy(model(images), labels, reduction="sum") / num_images
        loss.backward()  # adds to the gradients, and lets go of the activations
    optimizer.step()


def _two_calls(accumulate, weight, images, labels, sizes, lr):
    """Two steps of a linear model: its weights, and what happened on the way."""
    model = nn.utils.skip_init(nn.Linear, weight.shape[1], weight.shape[0], bias=False)
    model.load_state_dict({"weight": weight})
    model.weight.grad = torch.ones_like(weight)  # of something earlier, which must not count
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    parts = list(zip(images.split(sizes), labels.split(sizes), strict=True))
    weights, held, most, steps = [], 0, 0, 0

    def keep(module, inputs, logits):
        nonlocal held, most
        held += len(logits) if logits.requires_grad else 0
        most = max(most, held)

    def let_go(gradient):
        nonlocal held
        held = 0

    def count(*_):
        nonlocal steps
        steps += 1

    model.register_forward_hook(keep)
    model.weight.register_hook(let_go)
    optimizer.register_step_post_hook(count)
    for _ in range(2):
        got = accumulate(model, optimizer, parts)
        weights.append(model.weight.detach().clone())
    untouched = most == steps == 0 and torch.equal(weights[-1], weight)
    if untouched and (got is None or got is ...):
        return None
    most = max(most, *sizes) if most else 0  # less than a part at a time is as good as a part
    return torch.stack(weights), most, steps


def _accumulate_cases() -> list[Case]:
    generator = torch.Generator().manual_seed(9)

    def drawn(num_classes: int, num_pixels: int, sizes: list[int], lr: float) -> tuple:
        weight = torch.randn(num_classes, num_pixels, generator=generator)
        images = torch.randn(sum(sizes), num_pixels, generator=generator)
        labels = torch.randint(num_classes, (sum(sizes),), generator=generator)
        return weight, images, labels, sizes, lr

    by_hand = torch.zeros(2, 2), torch.tensor([[1.0, 2.0]]), torch.tensor([0]), [1], 1.0
    return [
        Case("two steps of a linear model, one part of one image of two pixels", by_hand),
        Case("two steps, two parts of two images", drawn(3, 2, [2, 2], 0.5)),
        Case("two steps, parts of three images and of one", drawn(3, 2, [3, 1], 0.5)),
        Case("two steps, parts of two images, of five and of one", drawn(5, 6, [2, 5, 1], 0.1)),
    ]


def _by_share(share, *, emptied="before", stepped="after"):
    """An answer that multiplies the mean loss of each part by ``share(size, sizes)``."""

    def answer(model, optimizer, batches):
        sizes = [len(labels) for _, labels in batches]
        if emptied == "before":
            optimizer.zero_grad()
        for images, labels in batches:
            if emptied == "inside":
                optimizer.zero_grad()
            (F.cross_entropy(model(images), labels) * share(len(labels), sizes)).backward()
            if stepped == "inside":
                optimizer.step()
        if emptied == "too late":
            optimizer.zero_grad()
        if stepped == "after":
            optimizer.step()
        if emptied == "at the end":
            optimizer.zero_grad()

    return answer


def _right(size, sizes):
    return size / sum(sizes)


def _whole(size, sizes):
    return 1


def _equal(size, sizes):
    return 1 / len(sizes)


mean_of_means = _by_share(_equal)
means_added = _by_share(_whole)
sums_added = _by_share(lambda size, sizes: size)
sums_over_parts = _by_share(lambda size, sizes: size / len(sizes))
means_over_images = _by_share(lambda size, sizes: 1 / sum(sizes))
all_as_the_first = _by_share(lambda size, sizes: size / (len(sizes) * sizes[0]))
shares_upside_down = _by_share(lambda size, sizes: 1 / size / sum(1 / n for n in sizes))
never_emptied = [_by_share(share, emptied="never") for share in (_right, _whole, _equal)]
emptied_too_late = _by_share(_right, emptied="too late")
emptied_at_the_end = _by_share(_right, emptied="at the end")
never_stepped = _by_share(_right, stepped="never")
last_part_only = [_by_share(share, emptied="inside") for share in (_right, _whole, _equal)]
step_for_each = [
    _by_share(share, emptied=emptied, stepped="inside")
    for emptied in ("inside", "before")
    for share in (_right, _whole, _equal)
]


def backward_forgotten(model, optimizer, batches):
    optimizer.zero_grad()
    for images, labels in batches:
        F.cross_entropy(model(images), labels)
    optimizer.step()


def all_at_once(model, optimizer, batches):
    images, labels = (torch.cat(parts) for parts in zip(*batches, strict=True))
    accumulate_solution(model, optimizer, [(images, labels)])


def means_at_once(model, optimizer, batches):
    losses = [F.cross_entropy(model(images), labels) for images, labels in batches]
    optimizer.zero_grad()
    torch.stack(losses).mean().backward()
    optimizer.step()


def moved_by_hand(model, optimizer, batches):
    never_stepped(model, optimizer, batches)
    with torch.no_grad():
        for group in optimizer.param_groups:
            for weight in group["params"]:
                weight -= group["lr"] * weight.grad


accumulate = Exercise(
    name="accumulate",
    title="a large batch in small parts",
    difficulty=2,
    minutes=10,
    teaches="How to train with a batch that does not fit, and what the parts must be divided by.",
    reference=accumulate_solution,
    why="backward adds to the gradients that are there, so the parts add up to the sum over all "
    "pictures if each gives its own sum; divided by the number of all, that is the gradient of the "
    "mean. Each backward also lets go of the activations of its part.",
    cases=_accumulate_cases,
    use=_two_calls,
    returns=("weights after each call", "most images in memory at once", "calls of step in both"),
    hints=(
        "backward adds its gradients to those that are there. So what must happen once before the "
        "loop, what for each part, and what once after it?",
        "The mean over all pictures is the sum over all, divided by their number. "
        'F.cross_entropy(..., reduction="sum") is the sum of one part.',
        "Count the pictures of all parts first. For each part: (sum of its losses / that "
        "number).backward(). optimizer.zero_grad() stands before the loop, optimizer.step() after.",
    ),
    misconceptions=(
        Misconception(
            means_added,
            "The means of the parts are added up, so three parts take a step three times as far. "
            "Divide by the number of all pictures.",
        ),
        Misconception(
            mean_of_means,
            "This is the mean of the parts' means: right for parts of one size, but a picture of a "
            "small part weighs more than the others.",
        ),
        Misconception(
            sums_added,
            "This is the sum over all pictures. Divide each loss by the number of all pictures.",
        ),
        Misconception(
            sums_over_parts,
            "The sums of the parts are divided by the number of parts; it is the number of all "
            "pictures that makes a mean.",
        ),
        Misconception(
            means_over_images,
            "The means of the parts are divided by the number of pictures, so everything is "
            'divided twice. Take sums (reduction="sum").',
        ),
        Misconception(
            all_as_the_first,
            "All parts were taken to be as large as the first. Add up the sizes of all.",
        ),
        Misconception(
            shares_upside_down, "The shares are upside down: a large part must count for more."
        ),
        *(
            Misconception(
                wrong,
                "Only the last part counts: zero_grad inside the loop throws away what the parts "
                "before it gave. Once before the loop will do.",
            )
            for wrong in last_part_only
        ),
        *(
            Misconception(
                wrong,
                "The weights move after every part: that is training with small batches. step "
                "comes once, after the loop.",
            )
            for wrong in step_for_each
        ),
        *(
            Misconception(
                wrong,
                "Gradients of earlier steps are still there and add up. optimizer.zero_grad() "
                "comes before the loop.",
            )
            for wrong in never_emptied
        ),
        Misconception(
            emptied_at_the_end,
            "Gradients are emptied after the step only, so those that were there before the first "
            "call still counted. optimizer.zero_grad() comes before the loop.",
        ),
        Misconception(
            emptied_too_late,
            "The weights do not move: zero_grad comes between backward and step, so that the "
            "gradients are gone before they are used.",
        ),
        Misconception(
            never_stepped,
            "The weights do not move though there are gradients: optimizer.step() is missing.",
        ),
        Misconception(
            backward_forgotten,
            "The weights do not move because nothing works out gradients: backward is missing.",
        ),
        *(
            Misconception(
                wrong,
                "The weights are right, but nothing is saved: the activations of all pictures lie "
                "in memory at once. Call backward for each part, which lets go of its own.",
            )
            for wrong in (all_at_once, means_at_once)
        ),
        Misconception(
            moved_by_hand,
            "The weights are right, but moved by hand; optimizer.step() does it whatever the "
            "optimizer is.",
        ),
    ),
)
