// The small network of abi.h as the kernels take it.
#pragma once
#include "../math/mlp.h"
#include "launch.h"

namespace head3d {

struct Network {
  int inputs, hidden, layers, outputs;  // layers: hidden ones; there is one more, the output's
  Activation activation;
};

HEAD3D_HD int inputs_of(const Network& net, int l) { return l == 0 ? net.inputs : net.hidden; }
HEAD3D_HD int outputs_of(const Network& net, int l) {
  return l == net.layers ? net.outputs : net.hidden;
}

// Place of a layer's weights (out x in) in the flat parameters; its bias follows them. l = layers + 1: their number.
HEAD3D_HD int first_of(const Network& net, int l) {
  int first = 0;
  for (int k = 0; k < l; ++k) first += outputs_of(net, k) * (inputs_of(net, k) + 1);
  return first;
}

template <typename T>
HEAD3D_HD T activated(const Network& net, T x) {
  return net.activation == Activation::kRelu ? most(x, T(0)) : softplus(x);
}

// From the activated value.
template <typename T>
HEAD3D_HD T slope_of(const Network& net, T value) {
  if (net.activation == Activation::kRelu) return value > T(0) ? T(1) : T(0);
  return softplus_slope(value);
}

#if HEAD3D_HOST

inline Network network_of(const int64_t* shape) {
  return {int(shape[0]), int(shape[1]), int(shape[2]), int(shape[3]), Activation(shape[4])};
}

// Blocks of a backward pass at most; each sums the gradients of its own points in a part of its own, and the parts are
// summed in order afterwards: no atomics, and the same bits every time.
inline int64_t parts() { return 4 * int64_t(multiprocessors()); }

#endif  // HEAD3D_HOST

}  // namespace head3d
