"""Exported generators: the pictures that PyTorch makes, from numbers and themes that anybody can give."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from impasto.config.reading import load_config
from impasto.errors import ExportError, InputError
from impasto.export import files, generator_graph
from impasto.export.generator_graph import GeneratorGraph, graph_of
from impasto.tasks.generation.generator import mix_noise
from impasto.tasks.generation.networks import build_generator
from impasto.tasks.generation.sampling.model import load
from impasto.training.checkpoints import ModelInfo, save_model
from tests.old_models import old_model
from tests.small_runs import NETWORKS

THEMES = ("birds", "fish", "both")


def generator_of(preset, themes=()):
    themed = {"model.themes": themes} if themes else {}
    if preset == "0.1":
        return old_model(**{"image.size": 16}, **themed)
    settings = NETWORKS[preset] | themed | {"image.size": 16, "image.channels": 3}
    config = load_config(preset, settings)
    torch.manual_seed(0)
    generator = build_generator(config.model, config.image).eval()
    for name, buffer in generator.named_buffers():  # statistics of a network that has learnt
        if name.endswith("running_var"):
            buffer.uniform_(0.5, 2)
    return config, generator


@pytest.fixture
def folder(tmp_path, request):
    config, generator = generator_of(*request.param)
    save_model(tmp_path / "model", generator.state_dict(), ModelInfo(config, 8))
    return tmp_path / "model"


@pytest.mark.parametrize(
    "folder", [("0.1", THEMES), ("default", THEMES), ("dcgan",), ("mlp",)], indirect=True, ids=str
)
@pytest.mark.parametrize("to", ["onnx", pytest.param("openvino", marks=pytest.mark.slow)])
def test_exported_pictures_are_pytorchs(folder, tmp_path, to):
    pytest.importorskip("onnxscript")
    runtime = pytest.importorskip("onnxruntime" if to == "onnx" else "openvino")
    model = load(folder)
    written = files.export_generator(model, to, tmp_path / "out" / "model")
    graph = graph_of(model.generator)
    given = graph.examples(7, torch.Generator().manual_seed(3))
    right = graph(*given.values()).numpy()
    fed = {name: value.numpy() for name, value in given.items()}
    if to == "onnx":
        session = runtime.InferenceSession(str(written[0]))
        (made,) = session.run(["pictures"], fed)
        about = json.loads(session.get_modelmeta().custom_metadata_map["impasto"])
    else:
        core = runtime.Core()
        read = core.read_model(str(written[0]))
        compiled = core.compile_model(read, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        made = compiled(fed)[0]
        about = json.loads(read.get_rt_info("impasto").astype(str))
    assert made.shape == (7, 3, 16, 16)
    place = str(Path(files.__file__).parents[1]).encode()
    assert not any(place in path.read_bytes() for path in written), "it names places of this computer"
    np.testing.assert_allclose(made, right, atol=1e-3)
    assert json.loads(written[-1].read_text()) == about
    assert about["latent_dim"] == given["noise"].shape[1]
    assert about["themes"] == list(model.themes)
    assert about["size"] == 16


def test_the_graph_draws_as_the_prior_does():
    _, generator = generator_of("0.1", THEMES)
    graph = GeneratorGraph(generator)
    noise, half = torch.randn(12, generator.latent_dim), torch.full((12,), 0.5)
    choice = (torch.arange(12) + 0.5) / 12
    shares = (generator.noise * 0.5).clamp(max=1)
    expected = generator(mix_noise(generator.exemplars, noise, shares)).clamp(-1, 1)
    nothing = torch.zeros(12, 3)
    torch.testing.assert_close(graph(noise, half, choice, nothing), expected)
    for theme in range(3):  # four exemplars have it: 0.1 is the first of them, 0.9 the last
        asked = torch.eye(3)[[theme]]
        for number, where in enumerate((0.1, 0.3, 0.6, 0.99, 1.0)):
            place = graph._chosen(torch.tensor([where]), asked)
            assert place.item() == 3 * min(number, 3) + theme
    # Nothing is all three at once: any that has as many of them as there are.
    both = graph._chosen(torch.tensor([0.0, 0.999]), torch.tensor([[1.0, 1.0, 0.0]] * 2))
    assert both.tolist() == [0, 10]


def test_a_wrong_export_is_refused(tmp_path, monkeypatch):
    pytest.importorskip("onnxscript")
    config, generator = generator_of("dcgan")
    save_model(tmp_path / "model", generator.state_dict(), ModelInfo(config, 8))
    model, whole = load(tmp_path / "model"), generator_graph.to_onnx
    _, other = generator_of("dcgan")
    with torch.no_grad():
        other.project.weight.mul_(3)
    monkeypatch.setattr(generator_graph, "to_onnx", lambda graph, about: whole(GeneratorGraph(other), about))
    with pytest.raises(ExportError, match="makes other pictures than PyTorch, 1 at once"):
        files.export_generator(model, "onnx", tmp_path / "out" / "model")
    assert not (tmp_path / "out").exists()
    with pytest.raises(InputError, match="generators are not exported to ncnn"):
        files.export_generator(model, "ncnn", tmp_path / "out" / "model")
