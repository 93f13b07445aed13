// The camera of a look, as the server makes it (head3d/studio.py, head3d/render/views.py, head3d/finish/windows.py):
// camera to head frame, OpenCV axes; focal length and principal point in heights of the picture.

export const HEAD = { share: 0.57, height: 0.235, centre: [0, -0.008, 0.015], format: 24 };
const rad = (d) => (d * Math.PI) / 180;

function times(a, b) {
  const c = new Array(9).fill(0);
  for (let i = 0; i < 3; i++) for (let j = 0; j < 3; j++) for (let k = 0; k < 3; k++) c[3 * i + j] += a[3 * i + k] * b[3 * k + j];
  return c;
}
const transposed = (m) => [m[0], m[3], m[6], m[1], m[4], m[7], m[2], m[5], m[8]];

export function camera(look, outline, frames) {
  const [y, p, r] = [rad(look.yaw_deg), rad(look.pitch_deg), rad(look.roll_deg)];
  const turn = [Math.cos(y), 0, Math.sin(y), 0, 1, 0, -Math.sin(y), 0, Math.cos(y)];
  const nod = [1, 0, 0, 0, Math.cos(p), Math.sin(p), 0, -Math.sin(p), Math.cos(p)]; // about x by -pitch
  const back = transposed(times(nod, turn));
  let rotation = times(back, [1, 0, 0, 0, -1, 0, 0, 0, -1]);
  rotation = times(rotation, [Math.cos(r), -Math.sin(r), 0, Math.sin(r), Math.cos(r), 0, 0, 0, 1]);
  const d = look.distance_m;
  const centre = [0, 1, 2].map((i) => back[3 * i + 2] * d + HEAD.centre[i]);
  let focal = look.focal_mm ? look.focal_mm / HEAD.format : (HEAD.share * d) / HEAD.height;
  let cx = 0.5, cy = 0.5, aspect = 1;
  const frame = frames[look.crop];
  if (frame) {
    let [left, top, right, bottom] = [1e9, 1e9, -1e9, -1e9];
    for (const q of outline) {
      const v = [0, 1, 2].map((i) => q[i] - centre[i]);
      const [px, py, pz] = [0, 1, 2].map((j) => v[0] * rotation[j] + v[1] * rotation[3 + j] + v[2] * rotation[6 + j]);
      const [u, w] = [(px / pz) * focal + 0.5, (py / pz) * focal + 0.5];
      left = Math.min(left, u); right = Math.max(right, u); top = Math.min(top, w); bottom = Math.max(bottom, w);
    }
    aspect = frame[0];
    const height = (bottom - top) / frame[1];
    const x0 = (left + right) / 2 - (height * aspect) / 2, y0 = top - frame[2] * height;
    focal /= height; cx = (0.5 - x0) / height; cy = (0.5 - y0) / height;
  }
  return { rotation, centre, focal, cx, cy, aspect };
}

// clip space of WebGL from the head frame (column-major 4x4)
export function projection(cam, near = 0.05, far = 12) {
  const { rotation: R, centre: c, focal: f, cx, cy, aspect: a } = cam;
  const rows = [
    [(2 * f) / a, 0, (2 * cx) / a - 1, 0],
    [0, -2 * f, 1 - 2 * cy, 0],
    [0, 0, (far + near) / (far - near), (-2 * far * near) / (far - near)],
    [0, 0, 1, 0],
  ];
  const view = [0, 1, 2].map((j) => [R[j], R[3 + j], R[6 + j], -(R[j] * c[0] + R[3 + j] * c[1] + R[6 + j] * c[2])]);
  view.push([0, 0, 0, 1]);
  const out = new Float32Array(16);
  for (let i = 0; i < 4; i++) for (let j = 0; j < 4; j++) { let s = 0; for (let k = 0; k < 4; k++) s += rows[i][k] * view[k][j]; out[4 * j + i] = s; }
  return out;
}
