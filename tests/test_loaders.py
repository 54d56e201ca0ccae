"""Loaders: the same batches from memory and from files, another order each epoch, every picture."""

import subprocess
import sys

import pytest
import torch
from PIL import Image

from imgrec_lab import runtime
from imgrec_lab.datasets import loaders
from imgrec_lab.datasets.image_sets import FileSet, ImageSet, SceneSet

CPU = torch.device("cpu")


def image_set(n: int = 10) -> ImageSet:
    images = torch.arange(n, dtype=torch.uint8).view(n, 1, 1, 1).expand(n, 3, 4, 6).clone()
    return ImageSet(images, torch.arange(n) % 3, ("a", "b", "c"), "tiny")


def scene_set() -> SceneSet:
    data = image_set(4)
    targets = [
        {
            "boxes": torch.tensor([[0.0, 0.0, 2.0, 2.0]]).repeat(m, 1),
            "labels": torch.full((m,), m % 3),
            "masks": torch.zeros(m, 4, 6, dtype=torch.bool),
        }
        for m in range(4)
    ]
    return SceneSet(data.images, targets, data.classes)


def file_set(folder, n: int = 10) -> FileSet:
    data, paths = image_set(n), []
    for index in range(n):
        paths.append(str(folder / f"{index}.png"))
        Image.fromarray(data.images[index].permute(1, 2, 0).numpy()).save(paths[-1])
    return FileSet(tuple(paths), data.labels, data.classes, (4, 6))


def order_of(loader) -> list[int]:
    return [round(255 * value) for images, _ in loader for value in images[:, 0, 0, 0].tolist()]


def test_batches_are_floats_in_0_1_with_their_labels():
    data = image_set()
    loader = loaders.make_loader(data, batch_size=4, device=CPU)
    batches = list(loader)
    assert [len(images) for images, _ in batches] == [4, 4, 2] and len(loader) == 3
    assert batches[0][0].shape == (4, 3, 4, 6) and batches[0][0].dtype == torch.float32
    assert torch.equal(torch.cat([images for images, _ in batches]), data.images / 255)
    assert torch.equal(torch.cat([labels for _, labels in batches]), data.labels)


def test_255_becomes_exactly_1():
    data = ImageSet(torch.full((2, 1, 2, 2), 255).byte(), torch.tensor([0, 1]), ("a", "b"))
    ((images, _),) = loaders.make_loader(data, device=CPU)
    assert images.unique().tolist() == [1.0]


def test_each_epoch_has_another_order_and_every_run_the_same():
    first = loaders.make_loader(image_set(50), shuffle=True, seed=3, device=CPU)
    again = loaders.make_loader(image_set(50), shuffle=True, seed=3, device=CPU)
    epochs = [order_of(first) for _ in range(3)]
    assert [order_of(again) for _ in range(3)] == epochs
    assert all(sorted(epoch) == list(range(50)) for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2] != epochs[0]
    assert (
        order_of(loaders.make_loader(image_set(50), shuffle=True, seed=4, device=CPU)) not in epochs
    )


def test_a_resumed_run_goes_on_where_it_stopped():
    loader = loaders.make_loader(image_set(50), shuffle=True, device=CPU)
    epochs = [order_of(loader) for _ in range(3)]
    resumed = loaders.make_loader(image_set(50), shuffle=True, device=CPU)
    resumed.epoch = 2
    assert order_of(resumed) == epochs[2] and resumed.epoch == 3


def test_loading_leaves_the_global_generator_alone(tmp_path):
    for data in (image_set(), file_set(tmp_path)):
        torch.manual_seed(0)
        order_of(loaders.make_loader(data, shuffle=True, device=CPU, workers=0))
        assert torch.initial_seed() == 0
        after = torch.rand(3)
        torch.manual_seed(0)
        assert torch.equal(after, torch.rand(3))


@pytest.mark.parametrize("workers", [0, 2])
def test_files_and_memory_give_the_same_batches(tmp_path, workers):
    files = file_set(tmp_path)
    options = {"batch_size": 4, "shuffle": True, "seed": 7, "device": CPU}
    from_files = loaders.make_loader(files, workers=workers, **options)
    from_memory = loaders.make_loader(files.to_memory(), **options)
    assert isinstance(from_files, loaders.FileLoader)
    assert isinstance(from_memory, loaders.MemoryLoader)
    assert len(from_files) == len(from_memory) == 3
    for _ in range(3):
        for (images_a, labels_a), (images_b, labels_b) in zip(from_files, from_memory, strict=True):
            assert torch.equal(images_a, images_b) and images_a.dtype == torch.float32
            assert torch.equal(labels_a, labels_b) and labels_a.dtype == torch.int64
    from_files.epoch = from_memory.epoch = 1
    assert order_of(from_files) == order_of(from_memory)


def test_scenes_come_with_a_list_of_targets():
    data = scene_set()
    loader = loaders.make_loader(data, batch_size=3, device=CPU)
    (images, targets), (_, last) = loader
    assert images.shape == (3, 3, 4, 6)
    assert [len(target["boxes"]) for target in targets] == [0, 1, 2] and len(last) == 1
    assert set(targets[0]) == {"boxes", "labels", "masks"}
    shuffled = loaders.make_loader(data, batch_size=4, shuffle=True, device=CPU)
    ((images, targets),) = shuffled
    found = [round(255 * value) for value in images[:, 0, 0, 0].tolist()]
    assert [len(target["boxes"]) for target in targets] == found


def test_a_file_that_breaks_later_is_left_out_and_reported(tmp_path):
    files = file_set(tmp_path)
    (tmp_path / "2.png").write_text("broken since")
    loader = loaders.make_loader(files, batch_size=4, workers=0, device=CPU)
    with pytest.warns(
        UserWarning, match="left out of its batch: .*2.png .*not a picture"
    ) as caught:
        assert order_of(loader) == [0, 1, 3, 4, 5, 6, 7, 8, 9]
        order_of(loader)
    assert len(caught) == 1  # not once an epoch
    assert list(loader.unreadable) == [files.paths[2]]


def test_a_batch_of_broken_files_is_skipped(tmp_path):
    files = file_set(tmp_path, 4)
    for index in (0, 1):
        (tmp_path / f"{index}.png").write_text("broken")
    loader = loaders.make_loader(files, batch_size=2, workers=0, device=CPU)
    with pytest.warns(UserWarning):
        assert [labels.tolist() for _, labels in loader] == [[2, 0]]


def test_the_repr_says_what_was_chosen_and_why(tmp_path):
    memory = loaders.make_loader(image_set(), batch_size=4, shuffle=True, seed=5, device=CPU)
    assert repr(memory) == (
        "in memory: 10 images, 0.0 MiB on cpu; 3 batches of 4, shuffled by seed 5"
    )
    files = loaders.make_loader(file_set(tmp_path), workers=2, device=CPU)
    assert repr(files) == (
        "from files: 10 images read by 2 worker processes, because they come as a FileSet "
        "(0.00 GiB in memory); 1 batches of 128, in order"
    )


def test_a_set_that_does_not_fit_the_device_stays_in_main_memory(monkeypatch):
    monkeypatch.setattr(runtime, "available_memory_gib", lambda device=None: 1e-9)
    assert not loaders._fits_on(torch.device("meta"), image_set().images)
    assert loaders._fits_on(CPU, image_set().images)


def test_workers_start_in_a_fresh_interpreter(tmp_path):
    # What Windows, macOS and Python 3.14 do: everything that a worker needs must be importable.
    file_set(tmp_path, 4)
    script = f"""
import torch
from imgrec_lab.datasets import loaders
from imgrec_lab.datasets.image_sets import FileSet
if __name__ == "__main__":
    torch.multiprocessing.set_start_method("spawn")
    paths = tuple(rf"{tmp_path}/{{i}}.png" for i in range(4))
    data = FileSet(paths, torch.tensor([0, 1, 2, 0]), ("a", "b", "c"), (4, 6))
    loader = loaders.make_loader(data, batch_size=3, workers=1, device="cpu")
    print([labels.tolist() for _, labels in loader])
"""
    path = tmp_path / "script.py"
    path.write_text(script)
    ran = subprocess.run([sys.executable, str(path)], capture_output=True, text=True, timeout=120)
    assert ran.stdout.strip() == "[[0, 1, 2], [0]]", ran.stderr


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_batches_lie_on_the_gpu(tmp_path):
    for data in (image_set(), file_set(tmp_path), scene_set()):
        for images, targets in loaders.make_loader(data, device="cuda", workers=1):
            assert images.is_cuda
            assert (targets if torch.is_tensor(targets) else targets[0]["boxes"]).is_cuda


def test_wrong_arguments_say_what_to_try():
    with pytest.raises(TypeError, match=r"got Tensor. Wrap tensors as datasets.ImageSet\("):
        loaders.make_loader(torch.zeros(3, 3, 4, 4))
    with pytest.raises(ValueError, match="at least one picture; 'tiny' has none"):
        loaders.make_loader(image_set()[[]])
    with pytest.raises(ValueError, match="batch_size must be at least 1 and .*got 0 and None"):
        loaders.make_loader(image_set(), batch_size=0)
    with pytest.raises(ValueError, match="workers at least 0; got 8 and -1"):
        loaders.make_loader(image_set(), batch_size=8, workers=-1)


@pytest.mark.parametrize("option", [{"batch_size": 2.5}, {"batch_size": "8"}, {"seed": "a"}])
def test_options_must_be_whole_numbers(option):
    one = ImageSet(torch.zeros(1, 3, 8, 8, dtype=torch.uint8), torch.tensor([0]), ("a", "b"))
    with pytest.raises(TypeError, match="batch_size, workers and seed must be whole numbers"):
        loaders.make_loader(one, **option)
