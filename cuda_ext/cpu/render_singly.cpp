// Only tests draw singly, to compare: it is to compile in a third of the time, and may run slower.
// flags: -O0
#include "render_singly.h"

#include "../math/field_ray.h"

namespace head3d {

void draw_pixels(const Field& field, const PictureRule& rule, const Picture& picture,
                 int64_t threads) {
#pragma omp parallel for schedule(dynamic) num_threads(threads)
  for (int64_t row = 0; row < rule.height; ++row)
    for (int64_t column = 0; column < rule.width; ++column)
      draw_pixel(field, rule, picture, row * rule.width + column);
}

}  // namespace head3d
