"""Exercises of lesson 03: one step of training, and the loss of many."""

import torch
import torch.nn.functional as F
from torch import nn

from imgrec_lab.checks import Case, Exercise, Misconception, check_values


def train_step_solution(
    model, optimizer, images: torch.Tensor, labels: torch.Tensor
) -> torch.Tensor:
    """One step of training: guess, measure the error, work out gradients, move the weights.

    The loss is the mean cross-entropy of the batch. Gradients of earlier steps must not count.

    Args:
        model: an nn.Module that maps images to logits (N, K).
        optimizer: of torch.optim, for the model's weights.
        images: a batch that the model takes, (N, ...).
        labels: (N,) int64, the true classes.

    Returns:
        The loss before the weights moved: one number, as a tensor without gradient or a float.
    """
    logits = model(images)  # (N, K)
    loss = F.cross_entropy(logits, labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.detach()


BACKWARD, STEP = 1, 2


def _two_steps(train_step, weight, images, labels, lr):
    """Two steps of a linear model: the losses, the weights after each, and what was called."""
    model = nn.utils.skip_init(nn.Linear, weight.shape[1], weight.shape[0], bias=False)
    model.load_state_dict({"weight": weight})
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    losses, weights, order = [], [], []
    model.weight.register_hook(lambda _: order.append(BACKWARD))
    optimizer.register_step_post_hook(lambda *_: order.append(STEP))
    for _ in range(2):
        losses.append(train_step(model, optimizer, images, labels))
        weights.append(model.weight.detach().clone())
    if losses[0] is None:
        return None
    numbers = check_values.to_tensor(losses)
    return losses if numbers is None else numbers, torch.stack(weights), torch.tensor(order)


def _train_step_cases() -> list[Case]:
    generator = torch.Generator().manual_seed(4)

    def drawn(num_classes: int, num_images: int, num_pixels: int, lr: float) -> tuple:
        weight = torch.randn(num_classes, num_pixels, generator=generator)
        images = torch.randn(num_images, num_pixels, generator=generator)
        labels = torch.randint(num_classes, (num_images,), generator=generator)
        return weight, images, labels, lr

    by_hand = torch.zeros(2, 2), torch.tensor([[1.0, 2.0]]), torch.tensor([0]), 1.0
    return [
        Case("two steps of a linear model, one image of two pixels", by_hand),
        Case("two steps, three images, three classes", drawn(3, 3, 2, 0.5)),
        Case("two steps, eight images, five classes", drawn(5, 8, 6, 0.1)),
    ]


def zero_grad_forgotten(model, optimizer, images, labels):
    loss = F.cross_entropy(model(images), labels)
    loss.backward()
    optimizer.step()
    return loss


def step_before_backward(model, optimizer, images, labels):
    optimizer.zero_grad()
    loss = F.cross_entropy(model(images), labels)
    optimizer.step()
    loss.backward()
    return loss


def one_batch_late(model, optimizer, images, labels):
    loss = F.cross_entropy(model(images), labels)
    optimizer.step()
    optimizer.zero_grad()
    loss.backward()
    return loss


def softmax_first(model, optimizer, images, labels):
    return train_step_solution(lambda x: model(x).softmax(dim=1), optimizer, images, labels)


def step_forgotten(model, optimizer, images, labels):
    loss = F.cross_entropy(model(images), labels)
    optimizer.zero_grad()
    loss.backward()
    return loss


def backward_forgotten(model, optimizer, images, labels):
    loss = F.cross_entropy(model(images), labels)
    optimizer.zero_grad()
    optimizer.step()
    return loss


def emptied_before_the_step(model, optimizer, images, labels):
    loss = F.cross_entropy(model(images), labels)
    loss.backward()
    optimizer.zero_grad()
    optimizer.step()
    return loss


def without_step(model, optimizer, images, labels):
    loss = step_forgotten(model, optimizer, images, labels)
    with torch.no_grad():
        for group in optimizer.param_groups:
            for weight in group["params"]:
                weight -= group["lr"] * weight.grad
    return loss


def loss_summed(model, optimizer, images, labels):
    loss = F.cross_entropy(model(images), labels, reduction="sum")
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss


def loss_after_the_step(model, optimizer, images, labels):
    train_step_solution(model, optimizer, images, labels)
    return F.cross_entropy(model(images), labels)


train_step = Exercise(
    name="train_step",
    title="one step of training",
    difficulty=1,
    minutes=8,
    teaches="The five lines that every training loop has at its heart, and their order.",
    reference=train_step_solution,
    why="backward adds its gradients to those that are there already, so they are emptied before "
    "it; step then moves each weight against its gradient.",
    cases=_train_step_cases,
    use=_two_steps,
    returns=(
        "losses",
        "weights after each step",
        f"order of backward ({BACKWARD}) and step ({STEP})",
    ),
    hints=(
        "Five things happen: the model guesses, the loss says how wrong the guess was, the old "
        "gradients are emptied, new ones are worked out, the weights move. Which line does which?",
        "torch.nn.functional.cross_entropy(logits, labels) takes the logits as the model gives "
        "them. Gradients add up from call to call until optimizer.zero_grad() empties them.",
        "After the loss: optimizer.zero_grad(), then loss.backward(), then optimizer.step(); at "
        "the end, return loss.detach().",
    ),
    misconceptions=(
        Misconception(
            zero_grad_forgotten,
            "The first step is right and the second is not: the gradients of the first are still "
            "there and add up. Empty them with optimizer.zero_grad().",
        ),
        Misconception(
            step_before_backward,
            "The weights do not move: step comes before backward, when there are no gradients yet.",
        ),
        Misconception(
            one_batch_late,
            "Each step uses the gradients of the call before: step comes before backward.",
        ),
        Misconception(
            softmax_first,
            "This comes out when a softmax is applied before the loss: cross_entropy takes the "
            "logits themselves and has the softmax inside.",
        ),
        Misconception(
            step_forgotten,
            "The weights do not move though there are gradients: optimizer.step() is missing.",
        ),
        Misconception(
            backward_forgotten,
            "The weights do not move because nothing works out gradients: loss.backward() is "
            "missing.",
        ),
        Misconception(
            emptied_before_the_step,
            "The weights do not move: zero_grad comes between backward and step, so that the new "
            "gradients are gone before they are used.",
        ),
        Misconception(
            without_step,
            "The weights are right, but moved by hand; optimizer.step() does it whatever the "
            "optimizer is.",
        ),
        Misconception(
            loss_summed,
            "This is the sum over the images, so that a batch twice as large takes a step twice "
            "as long; cross_entropy takes the mean unless told otherwise.",
        ),
        Misconception(
            loss_after_the_step,
            "The weights are right, but this is the loss after they moved; return the one that "
            "the gradients come from. It also saves a second pass through the model.",
        ),
    ),
)


def mean_loss_solution(losses: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
    """The mean loss over all pictures, from the mean of each batch. Batches differ in size.

    Args:
        losses: (B,) float32, the mean loss of each batch.
        counts: (B,) int64, how many pictures each batch had.

    Returns:
        One number, float32.
    """
    return (losses * counts).sum() / counts.sum()


def _mean_loss_cases() -> list[Case]:
    def case(about: str, losses: list[float], counts: list[int]) -> Case:
        return Case(about, (torch.tensor(losses), torch.tensor(counts)))

    return [
        case("one batch", [0.5], [4]),
        case("a last batch of one picture", [1.0, 5.0], [3, 1]),
        case("three batches", [2.0, 1.0, 0.4], [32, 32, 10]),
        case("batches of all sizes", [0.25, 3.0, 0.5, 1.5, 0.125], [1, 2, 3, 4, 5]),
    ]


def mean_of_means(losses, counts):
    return losses.mean()


def sum_of_means(losses, counts):
    return losses.sum()


def never_divided(losses, counts):
    return (losses * counts).sum()


def divided_by_batches(losses, counts):
    return (losses * counts).sum() / len(losses)


def means_divided_by_pictures(losses, counts):
    return losses.sum() / counts.sum()


def weights_upside_down(losses, counts):
    return (losses / counts).sum() / (1 / counts).sum()


def last_batch_dropped(losses, counts):
    return losses[:-1].mean() if len(losses) > 1 else losses.mean()


mean_loss = Exercise(
    name="mean_loss",
    title="the loss of an epoch",
    difficulty=1,
    minutes=5,
    teaches="Why sums and counts are kept during an epoch, and never a mean of means.",
    reference=mean_loss_solution,
    why="A mean times its count is a sum again. Sums and counts can be added up over any batches, "
    "so that every picture weighs the same.",
    cases=_mean_loss_cases,
    hints=(
        "Three pictures with a loss of 1 and one with a loss of 5: write down the four losses. "
        "What is their mean?",
        "The sum of the losses in a batch is its mean times its count.",
        "Add up losses * counts and divide once, by the number of all pictures: counts.sum().",
    ),
    misconceptions=(
        Misconception(
            mean_of_means,
            "This is the mean of the means: a picture of the small last batch weighs more than "
            "the others. Every picture should weigh the same.",
        ),
        Misconception(
            sum_of_means, "This adds the means up: the number of pictures is not used at all."
        ),
        Misconception(
            never_divided,
            "This is the sum over all pictures; divide it by how many there are.",
        ),
        Misconception(
            divided_by_batches,
            "The sum is right, but it is divided by the number of batches, not of pictures.",
        ),
        Misconception(
            means_divided_by_pictures,
            "The means are added up as they are and divided by the number of pictures; each must "
            "be multiplied by its count first.",
        ),
        Misconception(
            weights_upside_down,
            "The weights are upside down: a large batch must count more than a small one.",
        ),
        Misconception(
            last_batch_dropped,
            "The last batch is missing: it is smaller, but its pictures count too.",
        ),
    ),
)
