// A generator in a page: `impasto export MODEL --to onnx --out .`, then `?model=MODEL` in the address.
import * as ort from "./node_modules/onnxruntime-web/dist/ort.wasm.min.mjs";

const COUNT = 12;
const byId = (id) => document.getElementById(id);
const name = new URLSearchParams(location.search).get("model") ?? "openmoji-64";

// Standard normal numbers by Box and Muller; or even ones between -1 and 1, where the model says so.
const normal = () => Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());
const even = () => 2 * Math.random() - 1;
const numbers = (count, draw) => Float32Array.from({ length: count }, draw);

async function generate(session, about, theme, truncation) {
  const given = {
    noise: [numbers(COUNT * about.latent_dim, about.prior === "normal" ? normal : even), about.latent_dim],
    truncation: [numbers(COUNT, () => truncation)],
    choice: [numbers(COUNT, Math.random)],
    themes: [numbers(COUNT * about.themes.length, (_, i) => +(about.themes[i % about.themes.length] === theme)), about.themes.length],
  };
  const fed = session.inputNames.map((input) => [input, new ort.Tensor(given[input][0], [COUNT, ...given[input].slice(1)])]);
  const { pictures } = await session.run(Object.fromEntries(fed));
  return pictures; // (COUNT, channels, size, size) in [-1, 1]
}

function draw(pictures) {
  const [count, channels, height, width] = pictures.dims;
  const area = height * width;
  const canvases = Array.from({ length: count }, (_, i) => {
    const canvas = Object.assign(document.createElement("canvas"), { width, height });
    const image = new ImageData(width, height);
    for (let at = 0; at < area; at++) {
      for (let channel = 0; channel < 4; channel++) {
        const from = channels === 1 && channel < 3 ? 0 : channel;
        const value = from < channels ? pictures.data[(i * channels + from) * area + at] : 1;
        image.data[4 * at + channel] = Math.round((value + 1) * 127.5);
      }
    }
    canvas.getContext("2d").putImageData(image, 0, 0);
    return canvas;
  });
  byId("pictures").replaceChildren(...canvases);
}

try {
  const about = await (await fetch(`${name}.json`)).json();
  const session = await ort.InferenceSession.create(`${name}.onnx`);
  byId("theme").append(...about.themes.map((theme) => new Option(theme)));
  const make = async (event) => {
    event?.preventDefault();
    const began = performance.now();
    draw(await generate(session, about, byId("theme").value, +byId("truncation").value));
    byId("said").textContent = `${COUNT} pictures in ${Math.round(performance.now() - began)} ms`;
  };
  byId("ask").addEventListener("submit", make);
  byId("ask").addEventListener("change", make);
  await make();
} catch (error) {
  byId("said").textContent = `This did not work: ${error.message}. Are ${name}.onnx and ${name}.json beside this page?`;
}
