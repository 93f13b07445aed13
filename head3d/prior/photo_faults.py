"""What cameras and phones do to pictures: white balance, contrast, blur, noise, sharpening, JPEG."""

import cv2
import numpy as np
from jaxtyping import UInt8


def photograph(
    rgb_srgb: UInt8[np.ndarray, "H W 3"], draw: np.random.Generator, *, strength: float = 1.0
) -> UInt8[np.ndarray, "H W 3"]:
    """A picture as some phone would have stored it."""
    made = rgb_srgb.astype(np.float32) / 255.0
    gain = np.exp(draw.normal(0, 0.12 * strength) + draw.normal(0, 0.06 * strength, 3)).astype(np.float32)
    gamma = float(np.exp(draw.normal(0, 0.18 * strength)))
    made = np.clip(made * gain, 0, 1) ** gamma
    if draw.random() < 0.4:
        grey = made.mean(-1, keepdims=True)
        made = np.clip(grey + (made - grey) * draw.uniform(1 - 0.6 * strength, 1 + 0.4 * strength), 0, 1)
    if draw.random() < 0.5:
        made = cv2.GaussianBlur(made, (0, 0), float(draw.uniform(0.3, 0.3 + 1.6 * strength)))
    if draw.random() < 0.3:
        made = np.clip(made + draw.uniform(0.2, 1.0) * (made - cv2.GaussianBlur(made, (0, 0), 1.2)), 0, 1)
    if draw.random() < 0.6:
        made = made + draw.normal(0, draw.uniform(0.002, 0.035 * strength), made.shape).astype(np.float32)
    levels = np.clip(made * 255 + 0.5, 0, 255).astype(np.uint8)
    if draw.random() < 0.5:
        done, packed = cv2.imencode(".jpg", levels, [cv2.IMWRITE_JPEG_QUALITY, int(draw.integers(35, 96))])
        stored = cv2.imdecode(packed, cv2.IMREAD_COLOR) if done else None
        return levels if stored is None else stored.astype(np.uint8)
    return levels
