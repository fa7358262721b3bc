// The learning half of the first page: notebook 01's loop, 785 numbers, live. The address carries seed and switches.

// Bytes that were compressed and written as text
window.site.inflate = async text => {
  const bytes = Uint8Array.from(atob(text), o => o.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('deflate'));
  return new Uint8Array(await new Response(stream).arrayBuffer());
};

(() => {
  const { train, valid, threes } = window.site.learn;      // numbers of pictures; threes come first in both parts
  const pixels = 784, batch = 20, perSecond = 120, traced = 100, longest = 800;
  const blue = [0, 114, 178], orange = [213, 94, 0];

  // Random numbers that are the same everywhere (mulberry32), and normally distributed ones (Box and Muller)
  function uniform(seed) {
    let a = seed >>> 0;
    return () => {
      a = a + 0x6D2B79F5 | 0;
      let t = Math.imul(a ^ a >>> 15, 1 | a);
      t = t + Math.imul(t ^ t >>> 7, 61 | t) ^ t;
      return ((t ^ t >>> 14) >>> 0)/4294967296;
    };
  }

  function normal(random) {
    return () => Math.sqrt(-2*Math.log(1 - random()))*Math.cos(2*Math.PI*random());
  }

  // One more point of a curve, which keeps every second one when it gets long
  function add(curve, point) {
    if (curve.length >= longest) curve.splice(0, curve.length, ...curve.filter((_, i) => i % 2 === 0));
    curve.push(point);
  }

  class Learner {
    constructor(images, { seed, lr, std, zero, sorted, loss }) {
      Object.assign(this, { images, lr, zero, sorted, squared: loss === 'squared' });
      const draw = normal(uniform(seed));
      this.random = uniform(seed + 1000003);
      this.weights = Float32Array.from({ length: pixels + 1 }, () => std*draw());      // the last is the bias
      this.start = this.weights.slice();
      this.gradient = new Float32Array(pixels + 1);
      this.shown = this.gradient.slice();
      Object.assign(this, { steps: 0, order: [], batches: [], losses: [], accuracies: [] });
    }

    predict(i) {
      const x = this.images.subarray(i*pixels, (i + 1)*pixels);
      let z = this.weights[pixels];
      for (let j = 0; j < pixels; j++) if (x[j]) z += x[j]*this.weights[j];
      return z;
    }

    nextBatch() {
      if (!this.order.length) {
        this.order = Array.from({ length: train }, (_, i) => i);
        if (!this.sorted) for (let i = train - 1; i > 0; i--) {
          const j = Math.floor(this.random()*(i + 1));
          [this.order[i], this.order[j]] = [this.order[j], this.order[i]];
        }
      }
      return this.order.splice(0, batch);
    }

    // Predict, loss, gradient, step
    step() {
      const chosen = this.nextBatch(), sums = new Float64Array(pixels + 1);
      let loss = 0;
      for (const i of chosen) {
        const z = this.predict(i), three = i < threes[0] ? 1 : 0, p = 1/(1 + Math.exp(-z));
        loss += this.squared ? (z - three)**2 : three ? 1 - p : p;
        const slope = (this.squared ? 2*(z - three) : (three ? -1 : 1)*p*(1 - p))/chosen.length;
        const x = this.images.subarray(i*pixels, (i + 1)*pixels);
        for (let j = 0; j < pixels; j++) if (x[j]) sums[j] += slope*x[j];
        sums[pixels] += slope;
      }
      for (let j = 0; j <= pixels; j++) {
        this.gradient[j] += sums[j];
        this.weights[j] -= this.lr*this.gradient[j];
      }
      this.shown.set(this.gradient);
      if (this.zero) this.gradient.fill(0);
      this.loss = loss/chosen.length;
      add(this.losses, [this.steps, this.loss]);
      if (this.steps < traced) this.batches.push(chosen);
      this.steps++;
    }

    // On pictures that it does not learn from
    measure() {
      let right = 0, calledThree = 0, slope = 0;
      for (let i = 0; i < valid; i++) {
        const z = this.predict(train + i), said = z > (this.squared ? .5 : 0), p = 1/(1 + Math.exp(-z));
        right += said === i < threes[1];
        calledThree += said;
        slope = Math.max(slope, p*(1 - p));
      }
      if (this.accuracies.at(-1)?.[0] !== this.steps) add(this.accuracies, [this.steps, right/valid]);
      return { accuracy: right/valid, calledThree: calledThree/valid, slope };
    }
  }

  // The page

  const find = id => document.querySelector(`#learn-${id}`);
  const switches = { seed: find('seed'), lr: find('lr'), std: find('std'), zero: find('zero'), sorted: find('sorted'),
    loss: find('loss') };
  let images = null, learner = null, running = false, owed = 0, last = 0;

  function chosen() {
    return { seed: Math.max(0, Math.floor(Number(switches.seed.value)) || 0), lr: Number(switches.lr.value),
      std: Number(switches.std.value), zero: switches.zero.checked, sorted: switches.sorted.checked,
      loss: switches.loss.value };
  }

  function address() {
    return '#learn?' + new URLSearchParams(Object.entries(chosen()).map(([k, v]) => [k, v === true ? 1 : v || 0]));
  }

  // A value that no switch has, such as a learning rate of 3, gets an entry of its own
  function fromAddress() {
    if (!location.hash.startsWith('#learn?')) return false;
    for (const [name, value] of new URLSearchParams(location.hash.slice(7))) {
      const o = switches[name];
      if (!o) continue;
      if (o.type === 'checkbox') o.checked = value === '1';
      else if (o.tagName === 'SELECT' && ![...o.options].some(e => e.value === value)) {
        if (name === 'loss' || !isFinite(value) || value.trim() === '') continue;
        o.append(new Option(value, value, true, true));
      } else o.value = value;
    }
    return true;
  }

  function paint(canvas, values) {
    const painter = canvas.getContext('2d'), image = painter.createImageData(28, 28);
    let most = 0;
    for (let i = 0; i < pixels; i++) most = Math.max(most, Math.abs(values[i]));
    for (let i = 0; i < pixels; i++) {
      const share = most && isFinite(most) ? values[i]/most : 0, colour = share > 0 ? blue : orange;
      image.data.set([...colour.map(o => 255 + Math.abs(share)*(o - 255)), 255], 4*i);
    }
    painter.putImageData(image, 0, 0);
  }

  function curve(canvas, points, most, dashed) {
    const scale = devicePixelRatio || 1, { clientWidth: w, clientHeight: h } = canvas;
    const painter = canvas.getContext('2d');
    canvas.width = w*scale;
    canvas.height = h*scale;
    painter.scale(scale, scale);
    const style = getComputedStyle(canvas), end = Math.max(100, learner.steps), x = s => 4 + (w - 8)*s/end;
    const y = v => h - 4 - (h - 8)*Math.min(1, Math.max(0, v/most));
    painter.strokeStyle = style.color;
    painter.globalAlpha = .35;
    painter.strokeRect(.5, .5, w - 1, h - 1);
    if (dashed) {
      painter.setLineDash([4, 4]);
      painter.beginPath();
      painter.moveTo(0, y(dashed));
      painter.lineTo(w, y(dashed));
      painter.stroke();
      painter.setLineDash([]);
    }
    painter.globalAlpha = 1;
    painter.lineWidth = 1.5;
    painter.beginPath();
    points.forEach(([s, v], i) => { if (isFinite(v)) painter[i ? 'lineTo' : 'moveTo'](x(s), y(v)); });
    painter.stroke();
  }

  const told = {
    exploded: 'The loss has exploded: each step overshot by more than the one before, until the numbers were too ' +
      'large for the computer (NaN is “not a number”). Choose a smaller learning rate.',
    explodes: 'The loss explodes: each step overshoots by more than the one before. Choose a smaller learning rate.',
    sorted: 'It calls everything a three, and so it is right about every three, and that is the share of threes. In ' +
      'batches that are in order it sees nothing but one kind of digit for half an epoch. Notebook 02, section 5, ' +
      'works out why.',
    oneKind: 'It calls nearly everything the digit that it saw last: batches that are in order hold one kind only for ' +
      'half an epoch.',
    saturated: 'It is saturated: all predictions lie so far on one side that there is next to no slope to come back ' +
      'on. A loss that is never above 1 cannot explode; too large a step does this instead.',
    random: 'Random numbers, so random answers. Press Run, or Step for one step at a time.',
    zeros: 'All numbers are zero: it has no opinion yet. Press Run, or Step for one step at a time.',
    piling: 'Gradients pile up: each step repeats the ones before it and adds its own. It may learn all the same, ' +
      'which makes such a mistake hard to notice.',
    learned: 'It has learned where a three has its ink and a seven has not: nobody told it.',
    learns: 'It learns.',
    yet: 'Its answers are no good yet.' };

  function state({ accuracy, calledThree, slope }) {
    const { loss, losses, accuracies, steps: n, squared, sorted, zero } = learner;
    const onOneSide = calledThree === 1 || calledThree === 0, mostly = calledThree > .9 || calledThree < .1;
    if (n && !isFinite(loss)) return 'exploded';
    if (!n) return learner.start.some(v => v) ? 'random' : 'zeros';
    if (squared && loss > 10*losses[0][1]) return 'explodes';
    if (sorted && mostly) return calledThree === 1 ? 'sorted' : 'oneKind';
    if (onOneSide && !squared && slope < .01) return 'saturated';
    if (!zero) return 'piling';
    if (accuracy > .95) return 'learned';
    return accuracy > Math.max(.6, accuracies[0][1]) ? 'learns' : 'yet';
  }

  function show() {
    const measured = learner.measure(), epoch = learner.steps*batch/train;
    paint(find('weights'), learner.weights);
    paint(find('gradient'), learner.shown);
    const losses = learner.losses.map(o => o[1]).filter(isFinite);
    curve(find('losses'), learner.losses, learner.squared ? Math.max(...losses, 1) : .6);
    curve(find('accuracies'), learner.accuracies, 1, .95);
    find('numbers').textContent = `step ${learner.steps}, epoch ${epoch.toFixed(1)} · loss of the batch ` +
      `${learner.steps ? learner.loss.toPrecision(3) : '–'} · accuracy ${measured.accuracy.toFixed(4)}`;
    const said = told[state(measured)];
    if (find('words').textContent !== said) find('words').textContent = said;
    find('link').href = address();
    if (running && learner.steps && !isFinite(learner.loss)) pause();
  }

  function reset() {
    pause();
    learner = new Learner(images, chosen());
    window.site.learner = learner;
    show();
  }

  function pause() {
    running = false;
    find('run').textContent = 'Run';
  }

  function frame(now) {
    if (!running) return;
    owed += Math.min(.1, (now - last)/1000)*perSecond;
    last = now;
    const n = Math.floor(owed);
    owed -= n;
    for (let i = 0; i < n; i++) learner.step();
    if (n) show();
    if (running) requestAnimationFrame(frame);
  }

  async function unpack() {
    return Float32Array.from(await window.site.inflate(window.packed.digits), v => v/255);
  }

  async function start() {
    images = await unpack();
    const asked = fromAddress();
    reset();
    find('step').addEventListener('click', () => { pause(); learner.step(); show(); });
    find('run').addEventListener('click', () => {
      if (running) return pause();
      running = true;
      last = performance.now();
      find('run').textContent = 'Pause';
      requestAnimationFrame(frame);
    });
    find('reset').addEventListener('click', reset);
    for (const o of Object.values(switches)) o.addEventListener('change', () => {
      reset();
      history.replaceState(null, '', address());
    });
    addEventListener('hashchange', () => { if (fromAddress()) reset(); });
    // a link to the address that is there already changes no address
    for (const o of document.querySelectorAll('a[href^="#learn?"]'))
      if (o !== find('link')) o.addEventListener('click', () => { if (o.hash === location.hash && fromAddress()) reset(); });
    addEventListener('resize', show);
    new MutationObserver(show).observe(document.body, { attributeFilter: ['data-theme'] });      // light or dark
    find('link').addEventListener('click', event => {      // learning goes on; only the address changes
      event.preventDefault();
      history.replaceState(null, '', address());
    });
    if (asked) document.querySelector('#learn').scrollIntoView();
  }

  start().catch(e => {
    find('words').textContent = `The digits could not be unpacked here (${e.message}). ` +
      'A current version of Firefox, Chrome, Edge or Safari can; so can notebook 01.';
  });
})();
