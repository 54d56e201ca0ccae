"""How many pictures a second each way of augmenting makes, and what it costs a training run.

``python results/augment_speed.py`` from the repository's root rewrites augment_speed.json beside
itself; about four minutes on two cores that do nothing else. Every way crops, mirrors, turns and
recolours (brightness, contrast, saturation) with the same ranges. Batches are resident, in
channels-last layout; each way takes the batch size and the type (uint8, float32) that suit it best.
albumentations gets one uint8 picture at a time, in a DataLoader with two worker processes.
torchvision draws once for a whole batch, all others for each picture.
"""

import json
import os
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from imgrec_lab import datasets, models, runtime, train
from imgrec_lab.augment import Brightness, Contrast, Crop, Flip, Policy, Rotate, Saturation
from imgrec_lab.augment.quiet_albumentations import A

SIDES = (32, 48, 64, 96, 128, 160, 224)
AREA, DEGREES, AMOUNT = 0.6, 20.0, 0.3
POLICY = Policy(
    [Crop(AREA), Flip(), Rotate(DEGREES), Brightness(AMOUNT), Contrast(AMOUNT), Saturation(AMOUNT)]
)
ROUNDS = 7
MOST_PIXELS = 64 * 224**2  # of a batch


class OnePicture(Dataset):
    """Random pictures through an albumentations transform; a batch is stacked by the loader."""

    def __init__(self, images: Tensor, transform: A.Compose) -> None:
        self.images, self.transform = images.permute(0, 2, 3, 1).contiguous().numpy(), transform

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Tensor:
        return torch.from_numpy(self.transform(image=self.images[index])["image"])


def albumentations(side: int) -> A.Compose:
    """The four changes, one after the other."""
    return A.Compose(
        [
            A.RandomResizedCrop((side, side), scale=(AREA, 1.0)),
            A.HorizontalFlip(p=0.5),
            A.Affine(rotate=(-DEGREES, DEGREES), border_mode=cv2.BORDER_REFLECT, p=1.0),
            A.ColorJitter((1 - AMOUNT, 1 + AMOUNT), (1 - AMOUNT, 1 + AMOUNT),
                          (1 - AMOUNT, 1 + AMOUNT), (0, 0), p=1.0),
        ]
    )  # fmt: skip


def torchvision(side: int) -> v2.Compose:
    """The same in torchvision's words."""
    return v2.Compose(
        [
            v2.RandomResizedCrop(side, scale=(AREA, 1.0), antialias=False),
            v2.RandomHorizontalFlip(),
            v2.RandomRotation(DEGREES, interpolation=v2.InterpolationMode.BILINEAR),
            v2.ColorJitter(AMOUNT, AMOUNT, AMOUNT),
        ]
    )


def plain_torch(images: Tensor) -> Tensor:
    """The same with a draw for each picture, one change after the other, in plain torch."""
    N = len(images)
    zoom = (1 - (1 - AREA) * torch.rand(N)).sqrt()
    maps = torch.zeros(N, 2, 3)
    maps[:, 0, 0] = maps[:, 1, 1] = zoom
    maps[:, :, 2] = (2 * torch.rand(N, 2) - 1) * (1 - zoom)[:, None]
    images = _sampled(images, maps)
    images = torch.where(torch.rand(N, 1, 1, 1) < 0.5, images.flip(3), images)
    angles = (2 * torch.rand(N) - 1) * DEGREES * torch.pi / 180
    maps = torch.zeros(N, 2, 3)
    maps[:, 0, 0] = maps[:, 1, 1] = angles.cos()
    maps[:, 1, 0], maps[:, 0, 1] = angles.sin(), -angles.sin()
    images = _sampled(images, maps)
    brightness, contrast, saturation = 1 + AMOUNT * (2 * torch.rand(3, N, 1, 1, 1) - 1)
    weights = torch.tensor([0.299, 0.587, 0.114])[:, None, None]
    images = (images * brightness).clamp_(0, 1)
    mean = (images * weights).sum(1, keepdim=True).mean(dim=(2, 3), keepdim=True)
    images = torch.lerp(mean, images, contrast).clamp_(0, 1)
    grey = (images * weights).sum(1, keepdim=True)
    return torch.lerp(grey, images, saturation).clamp_(0, 1)


def _sampled(images: Tensor, maps: Tensor) -> Tensor:
    grid = F.affine_grid(maps, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)


def images_per_second(work: Callable[[], object], images: int) -> float:
    """The median of several rounds, after a warm-up, each of at least a fifth of a second."""
    work()
    start = time.perf_counter()
    work()
    calls = max(1, round(0.2 / (time.perf_counter() - start)))
    rates = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        for _ in range(calls):
            work()
        rates.append(calls * images / (time.perf_counter() - start))
    return statistics.median(rates)


def batched_ways(side: int) -> Iterator[tuple[str, Callable[[Tensor], object], Tensor]]:
    """Name, work and batch, for each way that takes a batch."""
    labels = torch.zeros(1024, dtype=torch.int64)
    for count in (32, 64, 128, 256, 512, 1024):
        if count * side**2 > MOST_PIXELS:
            return
        whole = torch.randint(0, 256, (count, 3, side, side), dtype=torch.uint8)
        whole = whole.to(memory_format=torch.channels_last)
        for images in (whole, whole.float().div(255)):
            kind = str(images.dtype).removeprefix("torch.")
            yield f"policy, {kind}", lambda x: POLICY(x, labels[: len(x)]), images
            yield "torchvision, one draw a batch", torchvision(side), images
        yield "plain torch", plain_torch, images  # floating point
        yield "plain torch", plain_torch, images.contiguous()


def speeds(side: int) -> dict[str, float]:
    """Pictures a second of each way, at its best batch size."""
    best: dict[str, float] = {}
    for name, work, images in batched_ways(side):
        rate = images_per_second(lambda work=work, images=images: work(images), len(images))
        best[name] = max(best.get(name, 0), rate)
    images = torch.randint(0, 256, (4096 if side <= 64 else 512, 3, side, side), dtype=torch.uint8)
    loader = DataLoader(OnePicture(images, albumentations(side)), batch_size=64, num_workers=2,
                        persistent_workers=True)  # fmt: skip
    best["albumentations, 2 workers"] = images_per_second(lambda: list(loader), len(images))
    return {name: round(rate) for name, rate in best.items()}


def training() -> dict[str, object]:
    """Pictures a second of whole training epochs, without and with the policy, taking turns."""
    data = datasets.load("signs").train
    networks = {"QuickCNN": models.QuickCNN(14), "ResNet": models.ResNet(14)}
    result: dict[str, object] = {}
    for name, model in networks.items():
        seconds: dict[str, list[float]] = {"none": [], "policy": []}
        for _ in range(ROUNDS):
            for kind, policy in (("none", None), ("policy", POLICY)):
                loader = datasets.make_loader(data, batch_size=128, shuffle=True)
                history = train.fit(model, loader, epochs=1, augment=policy)
                seconds[kind].append(history.epochs[0].seconds)
        ratios = [a / b for a, b in zip(seconds["none"], seconds["policy"], strict=True)]
        result[name] = {
            "images_per_second_without": round(len(data) / statistics.median(seconds["none"])),
            "share_of_it_with_policy": round(statistics.median(ratios), 3),
            "shares": [round(ratio, 3) for ratio in ratios],
        }
    return result


def main() -> None:
    """Everything, and what it was measured on."""
    facts = {
        "what": "pictures a second, median of 7 rounds",
        "policy": json.loads(POLICY.to_json()),
        "sides": {str(side): speeds(side) for side in SIDES},
        "training": training(),
        "opencv": cv2.__version__,
        "machine": runtime.report(),
    }
    Path(__file__).with_suffix(".json").write_text(json.dumps(facts, indent=1) + "\n")
    print(json.dumps(facts["sides"], indent=1), json.dumps(facts["training"], indent=1))


if __name__ == "__main__":
    os.environ["TQDM_DISABLE"] = "1"
    torch.set_num_threads(2)
    main()
