"""Look at synthetic people, and time them: ``python -m head3d.prior.sheet --people 24 --out sheet.png``."""

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from head3d.geometry.cameras import Cameras, intrinsics, look_at_head
from head3d.imaging.color import levels_from_linear
from head3d.prior.light import draw_light
from head3d.prior.picture import pictures
from head3d.prior.synthetic import FRAME_M, draw_cameras, make_person, open_studio

BACKDROP = (0.25, 0.27, 0.30)
COLUMNS = 4
TIMED_VIEWS = 4
"""Pictures of a person while timing."""


def main(arguments: list[str]) -> None:
    """Write two views of each of the first people; print how many pictures one process makes in a second."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--people", type=int, default=24)
    parser.add_argument("--first", type=int, default=0, help="seed of the first")
    parser.add_argument("--size", type=int, default=256, help="px")
    parser.add_argument("--frame-m", type=float, default=FRAME_M, help="height of what a picture shows")
    parser.add_argument("--hair", type=Path, metavar="FOLDER", help="folder of head_models with artists' hair")
    parser.add_argument("--out", type=Path, help="PNG; without it people are only timed")
    options = parser.parse_args(arguments)
    casting = open_studio(hair_folder=options.hair)
    seeds = range(options.first, options.first + options.people)
    if options.out is None:
        start, used = time.perf_counter(), time.process_time()
        for seed in seeds:
            generator = torch.Generator().manual_seed(seed)
            cameras = draw_cameras(generator, count=TIMED_VIEWS, size=(options.size, options.size))
            pictures(make_person(casting, seed), cameras, [draw_light(generator)])
        count = TIMED_VIEWS * len(seeds)
        wall, cpu = time.perf_counter() - start, time.process_time() - used
        sys.stdout.write(
            f"{count} pictures of {len(seeds)} people: {count / wall:.1f} a second, {count / cpu:.1f} a CPU second\n"
        )
        return
    tiles = []
    for seed in seeds:
        generator = torch.Generator().manual_seed(seed)
        side = 30 + 50 * float(torch.rand((), generator=generator))
        poses = [
            look_at_head(yaw_deg=yaw, pitch_deg=pitch, distance_m=1.1)
            for yaw, pitch in ((0.0, 0.0), (side if seed % 2 else -side, 5.0))
        ]
        K = intrinsics(options.size * 1.1 / options.frame_m, (options.size, options.size))
        cameras = Cameras(torch.stack(poses), torch.stack([K, K]), (options.size, options.size))
        seen = pictures(make_person(casting, seed), cameras, [draw_light(generator)])
        alpha = seen.alpha[..., None]
        shown = seen.rgb_linear * alpha + (1 - alpha) * torch.tensor(BACKDROP)
        tiles.append(np.concatenate(list(levels_from_linear(shown)), axis=1))
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % COLUMNS)
    rows = [np.concatenate(tiles[i : i + COLUMNS], axis=1) for i in range(0, len(tiles), COLUMNS)]
    Image.fromarray(np.concatenate(rows)).save(options.out)


if __name__ == "__main__":
    main(sys.argv[1:])
