// Pictures one ray after the other, as the CUDA kernel draws them.
#pragma once
#include "../math/field_picture.h"

namespace head3d {

void draw_pixels(const Field& field, const PictureRule& rule, const Picture& picture,
                 int64_t threads);

}  // namespace head3d
