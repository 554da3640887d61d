// Scores images by a model that `pascl export --format onnx` wrote, with onnxruntime-node and sharp alone. Node 20 or newer; `npm install` here first.
//
//     node score.js MODEL IMAGE...      class, probability, out-of-distribution score and decision of each image
//     node score.js MODEL --examples    computes the examples that lie beside the model again, and compares
import { readFileSync } from 'node:fs';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import sharp from 'sharp';

// From version 1.29 on ONNX Runtime sends what it runs to its maker, unless this is set before its first model is loaded.
process.env.ORT_DISABLE_TELEMETRY ??= '1';

/** What `pascl export` wrote about a model. ONNX Runtime does not give it in JavaScript, so it is read from the file: entries of field 14, texts of key (1) and value (2). */
function metadataOf(file) {
  const found = {};
  for (const entry of fields(file, 14)) {
    const [key, value] = [1, 2].map(number => Buffer.concat(fields(entry, number)).toString('utf8'));
    found[key] = value;
  }
  return found;
}

/** The bytes of every field of a number in a protobuf message. */
function fields(message, number) {
  const found = [];
  for (let at = 0; at < message.length;) {
    const tag = whole();
    const kind = tag % 8;
    if (kind === 0) {
      whole();
      continue;
    }
    const length = kind === 2 ? whole() : kind === 1 ? 8 : 4;
    if (kind === 2 && Math.floor(tag / 8) === number) {
      found.push(message.subarray(at, at + length));
    }
    at += length;

    function whole() {
      let value = 0;
      for (let factor = 1; ; factor *= 128) {
        const byte = message[at++];
        value += (byte % 128) * factor;
        if (!(byte >= 128)) {
          return value;
        }
      }
    }
  }
  return found;
}

/** A picture upright, in red, green and blue bytes: { data, width, height }. Its colour profile is not applied, its alpha dropped. */
async function decode(file) {
  const { data, info } = await sharp(file, { ignoreIcc: true }).autoOrient().toColourspace('srgb').removeAlpha().raw({ depth: 'uchar' }).toBuffer({ resolveWithObject: true });
  return { data, width: info.width, height: info.height };
}

const linear = distance => Math.max(0, 1 - Math.abs(distance));

/** The cubic of R. Keys with a = -1/2. */
function cubic(distance) {
  const x = Math.abs(distance);
  return x < 1 ? ((1.5 * x - 2.5) * x * x) + 1 : x < 2 ? (((-0.5 * x + 2.5) * x - 4) * x) + 2 : 0;
}

/**
 * The square of a picture as Pascl makes it, to the byte: planes of (3, size, size). The shorter side is resized to a length, by a filter that is widened where the picture shrinks, and
 * the square in the centre is taken. For photographs as Pillow does, with weights of 22 binary digits behind the point and bytes between both passes; for small images in float32.
 */
function square(picture, { size, side, interpolation }) {
  const pillow = interpolation !== undefined;
  const filter = interpolation === 'bilinear' ? linear : cubic;
  const shorter = Math.min(picture.width, picture.height);
  const columns = taps(picture.width);
  const rows = taps(picture.height);
  const wide = pass(picture.data, columns, picture.height, (row, position) => (row * picture.width + position) * 3, (row, output) => (row * size + output) * 3);
  const done = pass(wide, rows, size, (column, position) => (position * size + column) * 3, (column, output) => (output * size + column) * 3);
  const planes = new Uint8Array(3 * size * size);
  for (let i = 0; i < done.length; i++) {
    planes[(i % 3) * size * size + Math.floor(i / 3)] = pillow ? done[i] : Math.min(Math.max(Math.fround(done[i] + 0.5), 0), 255);
  }
  return planes;

  /** For each of the central outputs of an axis where it begins to read, and its weights. */
  function taps(length) {
    const exact = length * side / shorter;
    const resized = pillow ? Math.floor(exact) : even(exact);
    const margin = pillow ? even((resized - size) / 2) : Math.floor((resized - size) / 2);
    const scale = length / resized;
    const stretch = Math.max(scale, 1);
    return Array.from({ length: size }, (_, output) => {
      const centre = (output + margin + 0.5) * scale;
      const first = Math.max(0, Math.floor(centre - 2 * stretch));
      const weights = Array.from({ length: Math.min(length, Math.ceil(centre + 2 * stretch)) - first }, (_, i) => filter((first + i + 0.5 - centre) / stretch));
      const sum = weights.reduce((total, weight) => total + weight, 0);
      return { first, weights: weights.map(weight => pillow ? Math.sign(weight) * Math.round(Math.abs(weight / sum) * 2 ** 22) : Math.fround(weight / sum)) };
    });
  }

  function pass(source, outputs, lines, from, to) {
    const target = new (pillow ? Uint8ClampedArray : Float32Array)(lines * size * 3);
    for (let line = 0; line < lines; line++) {
      outputs.forEach(({ first, weights }, output) => {
        for (let colour = 0; colour < 3; colour++) {
          let sum = pillow ? 2 ** 21 : 0;
          weights.forEach((weight, i) => {
            const product = weight * source[from(line, first + i) + colour];
            sum = pillow ? sum + product : Math.fround(sum + Math.fround(product));
          });
          target[to(line, output) + colour] = pillow ? Math.floor(sum / 2 ** 22) : sum;
        }
      });
    }
    return target;
  }

  /** To the nearest whole number, halves to the even one. */
  function even(value) {
    const rounded = Math.round(value);
    return Math.abs(value % 1) === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
  }
}

class Model {
  static async open(path) {
    const model = new Model();
    const file = readFileSync(path);
    const metadata = metadataOf(file);
    model.session = await InferenceSession.create(file);
    model.classNames = JSON.parse(metadata.class_names);
    const size = Number(metadata.image_size);
    model.geometry = { size, side: Number(metadata.resize_side ?? size), interpolation: metadata.interpolation };
    model.takesPictures = metadata.preprocess === 'in-graph';
    model.takesBytes = model.session.inputMetadata[0].type === 'uint8';
    // In eight bits a number about halfway between two may become the other one on another processor.
    model.tolerance = metadata.precision === 'int8' ? 0.02 : 1e-4;
    return model;
  }

  /** What the model takes: the picture as it is where its graph resizes, (1, height, width, 3), else the planes of its square. */
  prepared(picture) {
    if (this.takesPictures) {
      return new Tensor('uint8', new Uint8Array(picture.data), [1, picture.height, picture.width, 3]);
    }
    const { size } = this.geometry;
    const planes = square(picture, this.geometry);
    return this.takesBytes
      ? new Tensor('uint8', planes, [1, 3, size, size])
      : new Tensor('float32', Float32Array.from(planes, value => value / 255), [1, 3, size, size]);
  }

  /** Class, its probability, score, and whether it is accepted (undefined for a model without threshold). */
  async score(file) {
    const found = await this.session.run({ images: this.prepared(await decode(file)) });
    const probabilities = found.probabilities.data;
    const best = probabilities.indexOf(Math.max(...probabilities));
    return {
      class: this.classNames[best],
      probability: probabilities[best],
      score: found.ood_score.data[0],
      accepted: found.accepted === undefined ? undefined : Boolean(found.accepted.data[0]),
    };
  }
}

async function examples(model, path) {
  let [largest, decisions, count] = [0, 0, 0];
  for (const example of JSON.parse(readFileSync(path.replace(/\.[^./]*$/, '') + '.examples.json', 'utf8'))) {
    const answer = await model.score(Buffer.from(example.image, 'base64'));
    largest = Math.max(largest, Math.abs(answer.score - example.score));
    decisions += example.accepted !== undefined && example.accepted !== answer.accepted ? 1 : 0;
    count++;
  }
  console.log(`${count} examples: largest difference of a score ${largest.toExponential(1)}, ${decisions} other decisions`);
  return largest < model.tolerance && decisions === 0 ? 0 : 1;
}

async function images(model, paths) {
  let failed = 0;
  for (const path of paths) {
    try {
      const answer = await model.score(readFileSync(path));
      const decision = answer.accepted === undefined ? '' : answer.accepted ? ', accepted' : ', rejected';
      console.log(`${path}: ${answer.class} (${(100 * answer.probability).toFixed(1)} %), score ${answer.score.toFixed(6)}${decision}`);
    } catch (fault) {
      failed = 1;
      console.error(`${path} is no image: ${fault.message}`);
    }
  }
  return failed;
}

const [path, ...rest] = process.argv.slice(2);
if (rest.length === 0) {
  console.error('Usage: node score.js MODEL IMAGE... or node score.js MODEL --examples');
  process.exitCode = 2;
} else {
  const model = await Model.open(path);
  process.exitCode = rest[0] === '--examples' ? await examples(model, path) : await images(model, rest);
}
