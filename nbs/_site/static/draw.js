// The drawing half of the first page: models in the browser answer what is drawn on the pad.
// `window.site.models` says what there is. Files lie in packed/, compressed and as scripts, so that they can be read
// from a file, too, where browsers fetch nothing.

(() => {
  const base = document.currentScript.src.replace(/[^/]*$/, ''), local = location.protocol === 'file:';
  const { models, examples, sizes, doubt, version, inflate } = window.site;
  const blue = [0, 114, 178], orange = [213, 94, 0];

  // Files

  function loadScript(url) {
    return new Promise((done, failed) => {
      const script = document.createElement('script');
      function fail() { failed(new Error(`${url} could not be fetched.`)); }
      Object.assign(script, { src: url, onload: done, onerror: fail });
      document.head.append(script);
    });
  }

  async function packedText(name, progress) {
    const url = `${base}packed/${name}.js?v=${version}`;
    if (window.packed?.[name]) return window.packed[name];
    if (local) {
      await loadScript(url);
      return window.packed[name];
    }
    const broken = new Error(`${name} could not be fetched: is there a network?`);
    const answer = await fetch(url).catch(() => { throw broken; });
    if (!answer.ok) throw new Error(`${name} could not be fetched: the host says ${answer.status}.`);
    const reader = answer.body.getReader(), decoder = new TextDecoder(), parts = [];
    for (let got = 0;;) {
      const { done, value } = await reader.read().catch(() => { throw broken; });
      if (done) break;
      got += value.length;
      parts.push(decoder.decode(value, { stream: true }));
      progress?.(Math.min(1, got/sizes[name]));
    }
    const text = parts.join('');
    return text.slice(text.indexOf('= "') + 3, text.lastIndexOf('"'));
  }

  async function unpack(name, progress) {
    return inflate(await packedText(name, progress));
  }

  // Models

  const sessions = {};
  let runtime = null;

  // What has failed once inside onnxruntime fails until the page is loaded again
  function startModel(bytes) {
    return ort.InferenceSession.create(bytes).catch(e => {
      throw new Error(`The models could not be started here (${e.message}). Reload the page to try again.`);
    });
  }

  function startRuntime() {
    runtime ??= (async () => {
      if (!globalThis.WebAssembly || !globalThis.DecompressionStream)
        throw new Error('This browser cannot run the models. A current version of Firefox, Chrome, Edge or Safari can.');
      const [, glue, binary, small] = await Promise.all(
        [loadScript(`${base}ort.js?v=${version}`), ...['ort-glue', 'ort-wasm', 'small'].map(o => unpack(o))]);
      Object.assign(ort.env.wasm, { numThreads: 1, wasmBinary: binary.buffer,
        wasmPaths: { mjs: URL.createObjectURL(new Blob([glue], { type: 'text/javascript' })) } });
      ort.env.logLevel = 'error';
      let at = 0;
      for (const o of models.filter(o => !o.large)) {
        sessions[o.name] = await startModel(small.slice(at, at + o.bytes));
        at += o.bytes;
      }
    })();
    runtime.catch(() => { runtime = null; });
    return runtime;
  }

  // What runs for the first time is slow, and it had better not be the first drawing
  async function warmUp() {
    const ink = new Float32Array(784), data = new Uint8ClampedArray(4*280*280).fill(255);
    for (let y = 60; y < 220; y++) for (let x = 130; x < 150; x++) data.fill(0, 4*(280*y + x), 4*(280*y + x) + 3);
    for (const model of models) if (sessions[model.name]) await run(model, ink);
    prepareDigit({ width: 280, height: 280, data });
  }

  async function startLarge(model, progress) {
    const [bytes] = await Promise.all([unpack(model.name, progress), startRuntime()]);
    sessions[model.name] = await startModel(bytes);
  }

  // The picture and its four neighbours, shifted by one pixel; what comes in repeats the border
  function fiveShifts(pixels) {
    const out = new Float32Array(5*784);
    [[0, 0], [1, 0], [-1, 0], [0, 1], [0, -1]].forEach(([down, right], k) => {
      for (let y = 0; y < 28; y++) for (let x = 0; x < 28; x++)
        out[784*k + 28*y + x] = pixels[28*Math.max(0, Math.min(27, y - down)) + Math.max(0, Math.min(27, x - right))];
    });
    return out;
  }

  async function run(model, pixels) {
    const batch = model.shifts ? fiveShifts(pixels) : pixels, n = batch.length/784;
    const out = await sessions[model.name].run({ pixels: new ort.Tensor('float32', batch, [n, 1, 28, 28]) });
    const all = out.probabilities.data, c = all.length/n;
    const p = Array.from({ length: c }, (_, i) => {
      let sum = 0;
      for (let k = 0; k < n; k++) sum += all[k*c + i];
      return sum/n;
    });
    return { p, out };
  }

  // Pictures of why

  function picture(h, w, colour) {
    const canvas = document.createElement('canvas');
    Object.assign(canvas, { width: w, height: h });
    const painter = canvas.getContext('2d'), image = painter.createImageData(w, h);
    for (let i = 0; i < h*w; i++) {
      const [red, green, blue] = colour(i);
      image.data[4*i] = red;
      image.data[4*i + 1] = green;
      image.data[4*i + 2] = blue;
      image.data[4*i + 3] = 255;
    }
    painter.putImageData(image, 0, 0);
    return canvas.toDataURL();
  }

  function mixed(colour, share) { return colour.map(o => 255 + share*(o - 255)); }
  function signed(v) { return v > 0 ? mixed(blue, Math.min(1, v)) : mixed(orange, Math.min(1, -v)); }

  // What a weight says matters where there is ink; elsewhere it is shown pale
  function weightsUnder(weights, pixels, digit, digits) {
    const two = weights.dims[0] === 1, k = two ? 0 : digits.indexOf(digit), sign = two && digit === 7 ? -1 : 1;
    const w = weights.data.slice(784*k, 784*(k + 1)).map(v => sign*v), most = Math.max(...w.map(Math.abs));
    return { url: picture(28, 28, i => signed(w[i]/most*(.25 + .75*pixels[i]))),
      words: `The weights of the ${digit} under the drawing: ink on blue speaks for it, ink on orange against.` };
  }

  function meanPicture(means, k, digit) {
    return { url: picture(28, 28, i => mixed([0, 0, 0], means.data[784*k + i])),
      words: `The mean ${digit} is the nearest to the drawing.` };
  }

  function hiddenUnits(inside) {
    const v = inside.data, most = Math.max(...v, 1e-6), firing = v.filter(o => o > 0).length;
    return { url: picture(33, 65, i => {      // 4 rows of 8, each 7 by 7 and a line
      const y = Math.floor(i/65), x = i % 65, unit = 8*Math.floor(y/8) + Math.floor(x/8);
      return y % 8 === 0 || x % 8 === 0 ? [136, 136, 136] : mixed(blue, v[unit]/most);
    }), words: `${firing} of the ${v.length} hidden units fire; the darker, the more.` };
  }

  function firstMaps(inside) {
    const [, c, h, w] = inside.dims, across = Math.sqrt(c), side = across*(w + 1) + 1;
    const most = Array.from({ length: c }, (_, k) => Math.max(...inside.data.subarray(k*h*w, (k + 1)*h*w), 1e-6));
    return { url: picture(side, side, i => {
      const y = Math.floor(i/side), x = i % side, k = across*Math.floor(y/(h + 1)) + Math.floor(x/(w + 1));
      if (y % (h + 1) === 0 || x % (w + 1) === 0) return [136, 136, 136];
      return mixed(blue, inside.data[k*h*w + (y % (h + 1) - 1)*w + x % (w + 1) - 1]/most[k]);
    }), words: `The ${c} maps that the first layer makes of the drawing.` };
  }

  function why(model, out, pixels, k, digit) {
    if (out.weights) return weightsUnder(out.weights, pixels, digit, model.digits);
    if (out.means) return meanPicture(out.means, k, digit);
    return out.inside.dims.length === 2 ? hiddenUnits(out.inside) : firstMaps(out.inside);
  }

  function answer(model, { p, out }, pixels) {
    const k = p.indexOf(Math.max(...p)), digit = model.digits[k], sure = out.means ? null : p[k];
    const strange = doubt[model.name] && sure < doubt[model.name].below;
    return { stage: model.name, title: model.title, only: model.digits.length < 10 ? '3 or 7' : '', link: model.link,
      digit: strange ? '?' : digit, confidence: sure, why: why(model, out, pixels, k, digit),
      doubt: strange ? `This is no digit that I know (the nearest would be ${digit}).` : undefined };
  }

  // Steps of the preparation as pictures, ink dark as on the pad; drawn when somebody looks at them

  function thumbnails(steps) {
    return steps.map(([name, a]) => {
      const colours = Array.isArray(a), { h, w } = colours ? a[0] : a;
      function grey(v) { return [v, v, v]; }
      return [name, () => picture(h, w, i => colours ? a.map(o => 255*o.data[i])
        : grey(255*(name === 'the picture' ? a.data[i] : 1 - a.data[i])))];
    });
  }

  async function pixelsOf(url) {
    const image = new Image();
    image.src = url;
    await image.decode();
    const canvas = document.createElement('canvas');
    Object.assign(canvas, { width: image.naturalWidth, height: image.naturalHeight });
    const painter = canvas.getContext('2d', { willReadFrequently: true });
    painter.drawImage(image, 0, 0);
    return painter.getImageData(0, 0, canvas.width, canvas.height);
  }

  // How the site asks: the way in that pad.js is told

  function askHere(options) {
    const heard = [];
    let drawing = '', answers = {}, number = 0;
    function tell(what) {
      answers = what;
      heard.forEach(f => f());
    }
    async function ask(url) {
      drawing = url;
      const mine = ++number;
      if (!url) return tell({});
      let prepared, steps;
      try {
        const image = await pixelsOf(url), start = performance.now();
        if (mine !== number) return;      // something newer has been drawn
        ({ prepared, steps } = prepareDigit(image));
        const ready = performance.now();
        await startRuntime();
        const stages = [], ms = { prepare: ready - start };
        for (const model of models) {
          if (mine !== number) return;
          if (!sessions[model.name] || (model.digits.length < 10) !== options.two()) continue;
          const before = performance.now(), said = await run(model, prepared);
          ms[model.name] = performance.now() - before;
          stages.push(answer(model, said, prepared));
        }
        if (mine !== number) return;
        window.site.ms = ms;
        tell({ prepared: [...prepared].map(v => Math.round(255*v)), steps: thumbnails(steps), stages });
      } catch (e) {
        if (mine === number) tell({ problem: e.message, steps: thumbnails(e.steps ?? []) });
      }
    }
    return { examples, drawing: () => drawing, answers: () => answers, ask, again: () => drawing && ask(drawing),
      late: 'No answer yet: the models are still on their way.',
      listen(f) {
        heard.push(f);
        return () => heard.splice(heard.indexOf(f), 1);
      } };
  }

  // The page

  function start() {
    const place = document.querySelector('#pad'), two = document.querySelector('#two');
    const fetchLarge = document.querySelector('#fetch-large'), bar = document.querySelector('#large-progress');
    const said = document.querySelector('#large-said'), large = models.find(o => o.large);
    const note = document.querySelector('#draw-note');
    const asking = askHere({ two: () => two.checked });
    showPad(place, asking);
    // they come while the first stroke is drawn
    let warm;
    for (const o of ['pointerdown', 'focusin'])
      place.addEventListener(o, () => { warm ??= startRuntime().then(warmUp).catch(() => { warm = undefined; }); });
    two.addEventListener('change', () => {
      note.hidden = !two.checked;
      asking.again();
    });
    fetchLarge?.addEventListener('click', async () => {
      fetchLarge.disabled = true;
      bar.hidden = false;
      said.textContent = '';
      try {
        await startLarge(large, share => { bar.value = share; });
        fetchLarge.hidden = true;
        said.textContent = 'ResNet18 is here.';
        asking.again();
      } catch (e) {
        fetchLarge.disabled = false;
        said.textContent = e.message;
      }
      bar.hidden = true;
    });
    window.site.asking = asking;
  }

  start();
})();
