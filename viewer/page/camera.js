// The camera of a look, as the server makes it (head3d/studio.py, head3d/render/views.py, head3d/finish/crops.py):
// camera to head frame, OpenCV axes; focal length and principal point in heights of the picture.

export const HEAD = { share: 0.57, height: 0.235, centre: [0, -0.008, 0.015], format: 24 };
const HAIR_ROOM = 0.03; // of the frame's height, free above the hair
const rad = (d) => (d * Math.PI) / 180;

function times(a, b) {
  const c = new Array(9).fill(0);
  for (let i = 0; i < 3; i++) for (let j = 0; j < 3; j++) for (let k = 0; k < 3; k++) c[3 * i + j] += a[3 * i + k] * b[3 * k + j];
  return c;
}
const transposed = (m) => [m[0], m[3], m[6], m[1], m[4], m[7], m[2], m[5], m[8]];

function through_angles(look) {
  const [y, p, r] = [rad(look.yaw_deg), rad(look.pitch_deg), rad(look.roll_deg)];
  const turn = [Math.cos(y), 0, Math.sin(y), 0, 1, 0, -Math.sin(y), 0, Math.cos(y)];
  const nod = [1, 0, 0, 0, Math.cos(p), Math.sin(p), 0, -Math.sin(p), Math.cos(p)]; // about x by -pitch
  const back = transposed(times(nod, turn));
  let rotation = times(back, [1, 0, 0, 0, -1, 0, 0, 0, -1]);
  rotation = times(rotation, [Math.cos(r), -Math.sin(r), 0, Math.sin(r), Math.cos(r), 0, 0, 0, 1]);
  const d = look.distance_m;
  const centre = [0, 1, 2].map((i) => back[3 * i + 2] * d + HEAD.centre[i]);
  const focal = look.focal_mm ? look.focal_mm / HEAD.format : (HEAD.share * d) / HEAD.height;
  return { rotation, centre, focal, cx: 0.5, cy: 0.5, aspect: 1 };
}

// where a place of the head is in a camera's picture, in its heights
export function seen(cam, q) {
  const { rotation: R, centre: c, focal: f, cx, cy } = cam;
  const v = [0, 1, 2].map((i) => q[i] - c[i]);
  const [px, py, pz] = [0, 1, 2].map((j) => v[0] * R[j] + v[1] * R[3 + j] + v[2] * R[6 + j]);
  return [(px / pz) * f + cx, (py / pz) * f + cy];
}

function marks(cam, points) {
  let [skull, hair, left, right] = [1e9, 1e9, 1e9, -1e9];
  for (const q of points.bare) { const [u, w] = seen(cam, q); skull = Math.min(skull, w); left = Math.min(left, u); right = Math.max(right, u); }
  for (const q of points.hair) hair = Math.min(hair, seen(cam, q)[1]);
  const eyes = points.eyes.map((q) => seen(cam, q)[1]);
  return { skull, hair: Math.min(skull, hair), chin: seen(cam, points.chin)[1], eye: (eyes[0] + eyes[1]) / 2, centre: (left + right) / 2 };
}

export function camera(look, panel = {}) {
  const photo = look.seen_from && panel.photos?.find((one) => `photo:${one.value}` === look.seen_from);
  const cam = photo ? { rotation: photo.rotation, centre: photo.centre, focal: photo.focal, cx: photo.cx, cy: photo.cy, aspect: 1 } : through_angles(look);
  const frame = panel.frames?.[look.crop];
  if (!frame) return cam;
  const at = marks(cam, panel.points), top = frame.top === "skull" ? at.skull : at.hair;
  const tall = Math.max(at.chin - top, 1e-3), below = at.eye - at.hair;
  let { head, eyes } = frame;
  if (frame.keep_hair) {
    head = Math.min(head, Math.max(((eyes - HAIR_ROOM) * tall) / Math.max(below, 1e-3), frame.head_least || head));
    const needed = (below * head) / tall + HAIR_ROOM;
    eyes = Math.max(eyes, frame.eyes_most ? Math.min(needed, frame.eyes_most) : needed);
  }
  const height = tall / head, aspect = frame.size_px[0] / frame.size_px[1];
  const x0 = at.centre - frame.across * aspect * height, y0 = at.eye - eyes * height;
  const lines = { crown: (top - y0) / height, eyes, chin: (at.chin - y0) / height };
  return { ...cam, focal: cam.focal / height, cx: (cam.cx - x0) / height, cy: (cam.cy - y0) / height, aspect, lines };
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
