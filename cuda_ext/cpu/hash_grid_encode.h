// Encoding of many points, shared by the plain and the fused ops and compiled once, in
// hash_grid.cpp.
#pragma once
#include <vector>

#include "hash_grid_tile.h"

namespace head3d {

template <typename T>
std::vector<Level<T>> levels_of(const double* scales, const int64_t* layout, int64_t L,
                                int64_t smooth);

inline bool has_features(int64_t F) { return F == 1 || F == 2 || F == 4 || F == 8; }

// Encodes points [first, last), level by level: a level's entries stay near while they are in use.
template <typename T>
void encode(const T* points, int64_t first, int64_t last, const T* table,
            const std::vector<Level<T>>& levels, int64_t F, T* out);

}  // namespace head3d
