"""The loop learns alike in every number format, on the CPU and, where there is one, on a GPU."""

import pytest
import torch
from test_train import two_colours

from imgrec_lab import models, runtime, train

ON_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
DEVICES = [torch.device("cpu"), pytest.param(torch.device("cuda"), marks=ON_GPU)]
FULL = runtime.Precision(torch.float32)
HALVES = [runtime.Precision(torch.bfloat16), runtime.Precision(torch.float16, scale_gradients=True)]


@pytest.fixture
def learn(monkeypatch):
    """Train on a device in a precision; returns the model, and the score on other pictures."""

    def learn(device, precision, **options):
        monkeypatch.setattr(runtime, "pick_device", lambda: device)
        monkeypatch.setattr(runtime, "pick_precision", lambda _: precision)
        torch.manual_seed(0)
        model = models.TinyCNN(2, width=4)
        train.fit(model, two_colours(320), epochs=3, lr=0.02, **options)
        return model, train.evaluate(model, two_colours(320, seed=1))

    return learn


@pytest.mark.parametrize("device", DEVICES, ids=str)
@pytest.mark.parametrize("half", HALVES, ids=str)
def test_half_precision_learns_what_full_precision_learns(learn, device, half):
    model, in_full = learn(device, FULL)
    _, in_half = learn(device, half)
    assert in_full.accuracy > 0.95 and in_half.accuracy > 0.95
    assert in_half.loss == pytest.approx(in_full.loss, abs=0.05)
    assert in_half.loss != in_full.loss  # it really was another precision
    assert all(p.dtype == torch.float32 for p in model.parameters())


def test_the_loss_is_scaled_up_for_float16_and_its_scale_is_kept(learn, monkeypatch, tmp_path):
    scales = []
    step = torch.amp.GradScaler.step

    def noting(scaler, optimizer):
        scales.append(scaler.get_scale())
        return step(scaler, optimizer)

    monkeypatch.setattr(torch.amp.GradScaler, "step", noting)
    learn(torch.device("cpu"), HALVES[1], checkpoint=tmp_path / "run.pt")
    assert min(scales) > 1
    saved = torch.load(tmp_path / "run.pt", weights_only=True)
    assert saved["states"]["scaler"]["scale"] == scales[-1]
