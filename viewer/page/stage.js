// The proxy: the baked head, lit with the same harmonics and lamps as the pictures, while the user moves.

import { projection } from "/static/camera.js";

const LAMPS = 8;
const VERTEX = `#version 300 es
precision highp float;
in vec3 place; in vec3 normal; in vec4 paint;
uniform mat4 clip; uniform float unit; uniform vec3 sh[9]; uniform int count;
uniform vec4 at[${LAMPS}]; uniform vec4 shine[${LAMPS}]; uniform vec3 facing[${LAMPS}];
out vec3 lit; out vec3 albedo;
float round_lamp(float c, float s) { s = max(s, 1e-4); float cut = max(c + s, 0.0); return c > s ? c : cut * cut / (4.0 * s); }
void main() {
  vec3 p = place * unit; vec3 n = normalize(normal);
  gl_Position = clip * vec4(p, 1.0);
  float x = n.x, y = n.y, z = n.z;
  float b[9] = float[9](0.282095, 0.488603*y, 0.488603*z, 0.488603*x, 1.092548*x*y, 1.092548*y*z, 0.315392*(3.0*z*z-1.0), 1.092548*x*z, 0.546274*(x*x-y*y));
  vec3 soft = vec3(0.0);
  for (int i = 0; i < 9; i++) soft += sh[i] * b[i] * (i == 0 ? 1.0 : i < 4 ? 0.666667 : 0.25);
  vec3 light = max(soft, 0.03 * sh[0] * 0.282095) * paint.a;
  for (int i = 0; i < ${LAMPS}; i++) if (i < count) {
    vec3 d = at[i].xyz; float strength = 1.0; float sine = shine[i].a;
    if (at[i].w < 0.5) { vec3 w = at[i].xyz - p; float q = max(dot(w, w), 1e-6); d = w * inversesqrt(q); float wide = q + sine * sine; strength = 1.0 / wide; sine = sine * inversesqrt(wide);
      if (dot(facing[i], facing[i]) > 0.0) strength *= max(-dot(d, facing[i]), 0.0); }
    light += shine[i].rgb * round_lamp(dot(n, d), sine) * strength / 3.14159265;
  }
  lit = light; vec3 c = paint.rgb;
  albedo = mix(c / 12.92, pow((c + 0.055) / 1.055, vec3(2.4)), step(0.04045, c));
}`;
const FRAGMENT = `#version 300 es
precision highp float;
in vec3 lit; in vec3 albedo; uniform float gain; out vec4 color;
void main() {
  vec3 c = lit * albedo * gain; float top = max(max(c.r, c.g), max(c.b, 1e-6));
  if (top > 0.75) c *= (0.75 + 0.25 * (1.0 - exp(-(top - 0.75) / 0.25))) / top;
  color = vec4(mix(c * 12.92, 1.055 * pow(c, vec3(1.0 / 2.4)) - 0.055, step(0.0031308, c)), 1.0);
}`;

export class Stage {
  constructor(canvas) {
    this.canvas = canvas;
    this.gl = canvas.getContext("webgl2", { alpha: true, antialias: true, preserveDrawingBuffer: true });
    this.gain = 1;
    this.light = null;
    this.count = 0;
    if (this.gl) this.build();
  }
  get ready() { return Boolean(this.gl && this.count); }
  build() {
    const gl = this.gl, program = gl.createProgram();
    for (const [kind, text] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
      const shader = gl.createShader(kind);
      gl.shaderSource(shader, text); gl.compileShader(shader);
      if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS)) throw new Error(gl.getShaderInfoLog(shader));
      gl.attachShader(program, shader);
    }
    ["place", "normal", "paint"].forEach((name, i) => gl.bindAttribLocation(program, i, name));
    gl.linkProgram(program); gl.useProgram(program);
    this.at = (name) => gl.getUniformLocation(program, name);
    gl.enable(gl.DEPTH_TEST); gl.enable(gl.CULL_FACE); gl.frontFace(gl.CCW);
  }
  load(buffer) {
    const gl = this.gl;
    if (!gl) return;
    const length = new DataView(buffer).getUint32(0, true);
    const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
    const n = header.vertices, start = 4 + length;
    const upload = (target, from, bytes) => { const made = gl.createBuffer(); gl.bindBuffer(target, made); gl.bufferData(target, new Uint8Array(buffer, from, bytes), gl.STATIC_DRAW); return made; };
    (this.buffers || []).forEach((one) => gl.deleteBuffer(one));
    const place = upload(gl.ARRAY_BUFFER, start, 8 * n); gl.enableVertexAttribArray(0); gl.vertexAttribPointer(0, 3, gl.SHORT, false, 8, 0);
    const normal = upload(gl.ARRAY_BUFFER, start + 8 * n, 4 * n); gl.enableVertexAttribArray(1); gl.vertexAttribPointer(1, 3, gl.BYTE, true, 4, 0);
    const paint = upload(gl.ARRAY_BUFFER, start + 12 * n, 4 * n); gl.enableVertexAttribArray(2); gl.vertexAttribPointer(2, 4, gl.UNSIGNED_BYTE, true, 4, 0);
    this.buffers = [place, normal, paint, upload(gl.ELEMENT_ARRAY_BUFFER, start + 16 * n, 12 * header.triangles)];
    gl.uniform1f(this.at("unit"), header.step_m);
    this.count = 3 * header.triangles;
  }
  // light of the table nearest below and above a yaw, mixed
  lightAt(yaw) {
    const rows = this.light.rows, step = rows[1].yaw_deg - rows[0].yaw_deg;
    const place = ((((yaw + 180) % 360) + 360) % 360) / step, i = Math.min(Math.floor(place), rows.length - 2), t = place - i;
    const mix = (a, b) => a.map((v, k) => v * (1 - t) + b[k] * t);
    const lamps = rows[i].lamps.map((one, k) => (rows[i + 1].lamps[k] ? mix(one, rows[i + 1].lamps[k]) : one));
    return { sh: mix(rows[i].sh, rows[i + 1].sh), lamps: lamps.slice(0, LAMPS) };
  }
  draw(cam, yaw, pixels) {
    if (!this.ready || !this.light) return;
    const gl = this.gl, height = Math.max(16, Math.round(pixels)), width = Math.max(16, Math.round(pixels * cam.aspect));
    if (this.canvas.width !== width || this.canvas.height !== height) { this.canvas.width = width; this.canvas.height = height; }
    const { sh, lamps } = this.lightAt(yaw);
    gl.viewport(0, 0, width, height); gl.clearColor(0, 0, 0, 0); gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    gl.uniformMatrix4fv(this.at("clip"), false, projection(cam));
    gl.uniform3fv(this.at("sh"), new Float32Array(sh)); gl.uniform1i(this.at("count"), lamps.length); gl.uniform1f(this.at("gain"), this.gain);
    const at = new Float32Array(4 * LAMPS), shine = new Float32Array(4 * LAMPS), facing = new Float32Array(3 * LAMPS);
    lamps.forEach((l, i) => {
      const size = l[10] > 0.5 ? Math.hypot(l[0], l[1], l[2]) || 1 : 1;
      at.set([l[0] / size, l[1] / size, l[2] / size, l[10]], 4 * i); shine.set([l[3], l[4], l[5], l[9]], 4 * i); facing.set([l[6], l[7], l[8]], 3 * i);
    });
    gl.uniform4fv(this.at("at"), at); gl.uniform4fv(this.at("shine"), shine); gl.uniform3fv(this.at("facing"), facing);
    gl.drawElements(gl.TRIANGLES, this.count, gl.UNSIGNED_INT, 0);
  }
}
