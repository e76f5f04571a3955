"""The tutorial on classification, on printed digits and a few steps of small networks."""

import numpy as np
from notebook_runs import run

from galgen.data import printed_digits


def test_classify_digits(monkeypatch) -> None:
    monkeypatch.setenv("GALGEN_STEPS", "60")
    monkeypatch.delenv("GALGEN_MNIST", raising=False)
    monkeypatch.setattr(printed_digits, "mnist_is_cached", lambda: False)
    names = run("01_classify_digits")
    said, truth = names["said"], names["truth"]
    assert names["kind"] == "printed digits"
    for name, log_probability in said.items():
        assert np.allclose(np.exp(log_probability).sum(axis=1), 1, atol=1e-5), name
        assert np.isclose(names["losses"][name][0], np.log(10), atol=1e-5), name

    right, error = names["accuracy"](said["CNN"])
    assert right == np.mean(said["CNN"].argmax(axis=1) == truth)
    assert right - 0.1 > 10 * error, "far from one in ten"
    confusion = names["confusion"]
    assert np.array_equal(confusion.sum(axis=1), np.bincount(truth, minlength=10))
    assert np.trace(confusion) == round(names["accuracy"](said["MLP"])[0] * len(truth))

    for name in ("deep set", "set transformer"):
        spread = np.exp(said[name]).std(axis=0).max()
        assert spread > 0.03, f"{name}: what it says depends on the cloud"
        assert names["largest"][name] < 1e-3 * spread, f"{name}: points have no order"
        assert names["changed"][name] == 0
    assert names["largest"]["MLP on points"] > 1e-3

    moved = names["after_shift"]
    assert moved["CNN"][-1, 0] < moved["CNN"][0, 0] - 0.2, "it was never shown a moved digit"
    assert np.ptp(moved["set transformer"][:, 0]) == 0, "only displacements matter"
    plain = names["accuracy"](said["MLP"])
    mixed = names["after_shuffling"]["MLP"]
    assert abs(plain[0] - mixed[0]) < 5 * np.hypot(plain[1], mixed[1]), "no order of pixels"
