"""Pictures from an exported generator: ONNX Runtime and NumPy, nothing else. A row of them, as PPM.

impasto export openmoji-64 --to onnx --out exported          # once, where Impasto is installed
python examples/onnx_generate.py exported/openmoji-64.onnx row.ppm [food-drink]
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime


def main(model: str, target: str, theme: str = "", count: str = "8", seed: str = "0") -> None:
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    about = json.loads(session.get_modelmeta().custom_metadata_map["impasto"])
    n, rng = int(count), np.random.default_rng(int(seed))
    draw = rng.standard_normal if about["prior"] == "normal" else lambda shape: rng.uniform(-1, 1, shape)
    given = {"noise": draw((n, about["latent_dim"])), "choice": rng.random(n), "truncation": np.ones(n)}
    given["themes"] = [[name == theme for name in about["themes"]]] * n
    fed = {i.name: np.array(given[i.name], np.float32) for i in session.get_inputs()}
    (pictures,) = session.run(["pictures"], fed)  # (B, channels, size, size) in [-1, 1]
    row = ((pictures[:, :3].transpose(2, 0, 3, 1) + 1) * 127.5).round().astype(np.uint8)
    header = f"P{5 if row.shape[3] == 1 else 6} {n * len(row)} {len(row)} 255\n".encode()
    Path(target).write_bytes(header + row.tobytes())


if __name__ == "__main__":
    main(*sys.argv[1:])
