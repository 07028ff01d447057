"""Enlarge a picture with an exported upscaler: ONNX Runtime, NumPy and Pillow, no Impasto and no PyTorch.

impasto export photo-x4 --to onnx --out exported          # once, where Impasto is installed
python examples/onnx_without_pytorch.py exported/photo-x4.onnx small.jpg large.png
"""

import sys

import numpy as np
import onnxruntime
from PIL import Image, ImageOps


def main(model: str, source: str, target: str) -> None:
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    picture = ImageOps.exif_transpose(Image.open(source)).convert("RGB")
    values = np.asarray(picture, np.float32) / 127.5 - 1  # (h, w, 3) in [-1, 1]
    (made,) = session.run(["enlarged"], {"pictures": values.transpose(2, 0, 1)[None]})
    levels = ((made[0].transpose(1, 2, 0) + 1) * 127.5).round().clip(0, 255).astype(np.uint8)
    Image.fromarray(levels).save(target)
    print(f"{picture.width} x {picture.height} -> {levels.shape[1]} x {levels.shape[0]}")


if __name__ == "__main__":
    main(*sys.argv[1:])
