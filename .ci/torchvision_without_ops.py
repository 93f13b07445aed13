"""Lets torchvision be imported beside a PyTorch without CUDA: as sitecustomize.py of .ci/nerfstudio's environment.

torchvision's wheels link CUDA's libraries. Where those are missing its operators are not there, and its import ends at
the first one it describes (nms). Declared beforehand, models and transforms work; the two operators themselves do not.
"""

import sys
from importlib.abc import MetaPathFinder


class _First(MetaPathFinder):
    declared = None  # torch forgets what a library declared when that is collected

    def find_spec(self, fullname, path=None, target=None):
        if fullname == "torchvision":
            sys.meta_path.remove(self)
            import torch

            library = _First.declared = torch.library.Library("torchvision", "DEF")
            library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
            library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        return None


sys.meta_path.insert(0, _First())
