// The drawing pad of notebook 04 and of the site. The drawing goes as a PNG to whoever answers; what comes back is
// shown beside it. `showPad` is told how to ask: notebooks ask Python, the site asks models in the browser.

const css = `
.mnist-pad { --ink: var(--jp-ui-font-color1, var(--colab-primary-text-color, var(--vscode-foreground, currentColor)));
  --quiet: var(--jp-ui-font-color2, var(--ink)); --line: var(--jp-border-color1, #8888); --bar: #0072B2;
  display: flex; flex-wrap: wrap; gap: 1.5em; align-items: flex-start; padding: .5em 2px; color: var(--ink);
  font: var(--jp-ui-font-size1, 13px)/1.5 var(--jp-ui-font-family, system-ui, sans-serif); }
.mnist-pad canvas { display: block; border: 1px solid var(--line); background: #fff; }
.mnist-pad [hidden] { display: none; }
.mnist-pad .paper { width: 280px; height: 280px; cursor: crosshair; touch-action: none; user-select: none; }
.mnist-pad .prepared { width: 112px; height: 112px; image-rendering: pixelated; }
.mnist-pad p { margin: 0 0 .4em; }
.mnist-pad button { font: inherit; color: var(--ink); background: transparent; border: 1px solid var(--ink); border-radius: 3px; padding: .2em .9em; margin: .5em .5em 0 0; cursor: pointer; }
.mnist-pad button:hover { background: #8882; }
.mnist-pad button:focus-visible { outline: 3px solid #E69F00; outline-offset: 1px; }
.mnist-pad .answers { flex: 1 1 24em; min-width: min(20em, 100%); max-width: 36em; }
.mnist-pad ul { list-style: none; margin: 0; padding: 0; }
.mnist-pad li { display: grid; grid-template-columns: minmax(7em, 13em) 1.4em minmax(2em, 1fr) 4.2em; gap: .6em; align-items: center; padding: .25em 0; border-bottom: 1px solid var(--line); }
.mnist-pad .digit { font-size: 1.6em; line-height: 1; font-weight: bold; text-align: center; }
.mnist-pad .only, .mnist-pad .hint { color: var(--quiet); }
.mnist-pad .track { height: .8em; border: 1px solid var(--line); }
.mnist-pad .bar { height: 100%; background: var(--bar); }
.mnist-pad details { margin: .6em 0; }
.mnist-pad summary { cursor: pointer; color: var(--quiet); }
.mnist-pad .steps { display: flex; flex-wrap: wrap; gap: .6em; margin-top: .4em; }
.mnist-pad figure { margin: 0; width: 96px; }
.mnist-pad figure img { display: block; max-width: 96px; max-height: 96px; border: 1px solid var(--line); image-rendering: pixelated; }
.mnist-pad figcaption { font-size: .8em; line-height: 1.2; color: var(--quiet); }
.mnist-pad .name a { color: inherit; }
.mnist-pad .doubt { grid-column: 1 / -1; }
.mnist-pad .why { grid-column: 1 / -1; display: flex; gap: .8em; align-items: center; width: auto; }
.mnist-pad .why img { flex: none; width: 84px; max-height: none; }
.mnist-pad .spoken { position: absolute; width: 1px; height: 1px; margin: 0; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
.mnist-pad .share { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
`;

const size = 280;      // pixels of the drawing
const pen = 20;
const patience = 15_000;      // milliseconds
const largest = 1200;         // pixels of the longer side of a photograph that is sent

function element(tag, className, text) {
  const el = document.createElement(tag);
  if (className) el.className = className;
  if (text !== undefined) el.textContent = text;
  return el;
}

function button(text, onclick) {
  const el = element('button', '', text);
  el.type = 'button';
  el.addEventListener('click', onclick);
  return el;
}

function canvas(className, side, label) {
  const el = element('canvas', className);
  el.width = el.height = side;
  el.setAttribute('role', 'img');
  el.setAttribute('aria-label', label);
  return el;
}

function percent(p) { return p > .9995 ? '>99.9%' : `${(100*p).toFixed(1)}%`; }

function figure(className, url, alt, caption) {
  const el = element('figure', className), image = element('img');
  Object.assign(image, { src: url, alt });
  el.append(image, element('figcaption', '', caption));
  return el;
}

// What one stage says. `link`, `doubt` (a sentence) and `why` (a picture with its words) may be missing.
function row(stage) {
  const el = element('li');
  el.dataset.stage = stage.stage;
  el.dataset.digit = stage.digit;
  const name = element('span', 'name'), title = stage.title ?? `${stage.stage} ${stage.approach}`;
  name.append(stage.link ? Object.assign(element('a', '', title), { href: stage.link }) : title);
  if (stage.only) name.append(element('br'), element('span', 'only', `${stage.only} only`));
  el.append(name, element('span', 'digit', stage.digit));
  if (stage.confidence === null) {
    const none = element('span', 'only', 'gives no confidence');
    none.style.gridColumn = '3 / 5';
    el.append(none);
  } else {
    const track = element('span', 'track'), bar = element('div', 'bar');
    track.setAttribute('aria-hidden', 'true');
    bar.style.width = `${100*stage.confidence}%`;
    track.append(bar);
    el.append(track, element('span', 'share', percent(stage.confidence)));
  }
  if (stage.doubt) el.append(element('span', 'doubt only', stage.doubt));
  if (stage.why) el.append(figure('why', stage.why.url, '', stage.why.words));
  return el;
}

// `asking` has `examples` (digits as strokes), `drawing()` (what was asked last), `answers()`, `ask(drawing)`,
// `listen(f)`, which calls `f` when there are answers and gives a function that ends this, and `late`, a sentence.
export function showPad(el, asking) {
  const pad = element('div', 'mnist-pad');
  pad.dataset.lmSuppressShortcuts = 'true';      // JupyterLab: Enter and Space belong to the buttons here
  const left = element('div'), right = element('div', 'answers');
  const paper = canvas('paper', size, 'Drawing area: draw one digit with a mouse, a pen or a finger. The button Example draws one for you.');
  const message = element('p', 'hint');
  const prepared = canvas('prepared', 28, 'The drawing as the models are given it: 28 by 28 pixels');
  const caption = element('p', 'hint', 'What the models are given: 28 × 28 pixels');
  const list = element('ul');
  message.setAttribute('role', 'status');
  // one sentence: with every caption of the list it would be a minute
  const spoken = element('p', 'spoken');
  spoken.setAttribute('role', 'status');
  list.setAttribute('aria-label', "The stages' answers");
  const clear = button('Clear', () => { wipe(); send(''); });
  const example = button('Example', showExample);
  const file = element('input');
  Object.assign(file, { type: 'file', accept: 'image/*', hidden: true });
  file.addEventListener('change', () => { if (file.files.length) showPhotograph(file.files[0]); file.value = ''; });
  const photograph = button('Photograph …', () => file.click());
  const details = element('details'), steps = element('div', 'steps');
  details.append(element('summary', '', 'How it was prepared'), steps);
  left.append(paper, clear, example, photograph, file);
  details.addEventListener('toggle', showSteps);
  right.append(message, spoken, prepared, caption, details, list);
  pad.append(element('style', '', css), left, right);
  el.append(pad);

  const pencil = paper.getContext('2d', { willReadFrequently: true });
  let last = null, timer = null, shown = -1, turn = 0;

  function wipe() {
    turn++;
    pencil.fillStyle = '#fff';
    pencil.fillRect(0, 0, size, size);
    Object.assign(pencil, { lineWidth: pen, lineCap: 'round', lineJoin: 'round', strokeStyle: '#000' });
  }

  function place(event) {
    const box = paper.getBoundingClientRect();
    return [(event.clientX - box.left)*size/box.width, (event.clientY - box.top)*size/box.height];
  }

  function line(from, to) {
    pencil.beginPath();
    pencil.moveTo(...from);
    pencil.lineTo(...to);
    pencil.stroke();
  }

  function send(drawing) {
    clearTimeout(timer);
    if (drawing === asking.drawing()) return;
    if (drawing) {
      message.textContent = 'Asking the models …';
      timer = setTimeout(() => { message.textContent = asking.late; }, patience);
    }
    asking.ask(drawing);
  }

  function showExample() {
    if (!asking.examples.length) return;
    shown = (shown + 1) % asking.examples.length;
    wipe();
    for (const stroke of asking.examples[shown]) stroke.forEach((to, i) => line(stroke[Math.max(0, i - 1)], to));
    send(paper.toDataURL('image/png'));
  }

  async function showPhotograph(chosen) {
    const mine = ++turn;
    // older browsers do not know the option, and turn pictures by themselves or not at all
    const picture = await createImageBitmap(chosen, { imageOrientation: 'from-image' })
      .catch(() => createImageBitmap(chosen)).catch(() => null);
    if (mine !== turn) return picture?.close();      // something was drawn or cleared meanwhile
    if (!picture) {
      const jpeg = chosen.type === 'image/jpeg' || chosen.type === 'image/png';
      message.textContent = `This browser cannot read ${chosen.name}. ` + (jpeg ? 'It may be damaged, or too large: try a smaller one.'
        : 'Save or send it as JPEG (HEIC is what some telephones take).');
      return;
    }
    const scale = Math.min(1, largest/Math.max(picture.width, picture.height));
    const whole = element('canvas');
    whole.width = Math.max(1, Math.round(scale*picture.width));
    whole.height = Math.max(1, Math.round(scale*picture.height));
    const painter = whole.getContext('2d');
    painter.fillStyle = '#fff';
    painter.fillRect(0, 0, whole.width, whole.height);
    painter.drawImage(picture, 0, 0, whole.width, whole.height);
    picture.close();      // a large one would hold its memory until it is collected
    wipe();
    const fit = size/Math.max(whole.width, whole.height);
    pencil.drawImage(whole, (size - fit*whole.width)/2, (size - fit*whole.height)/2, fit*whole.width, fit*whole.height);
    send(whole.toDataURL('image/jpeg', .9));
  }

  paper.addEventListener('pointerdown', event => {
    if (event.button !== 0 || last) return;
    event.preventDefault();
    paper.setPointerCapture(event.pointerId);
    last = { id: event.pointerId, at: place(event) };
    turn++;
    line(last.at, last.at);
  });
  paper.addEventListener('pointermove', event => {
    if (!last || event.pointerId !== last.id) return;
    const all = event.getCoalescedEvents?.() ?? [];
    for (const one of all.length ? all : [event]) {
      const to = place(one);
      line(last.at, to);
      last.at = to;
    }
  });
  for (const end of ['pointerup', 'pointercancel']) paper.addEventListener(end, event => {
    if (!last || event.pointerId !== last.id) return;
    last = null;
    send(paper.toDataURL('image/png'));
  });

  // A step is its name and a picture, or a function that draws it
  function showSteps() {
    const told = details.open ? asking.answers().steps ?? [] : [];
    steps.replaceChildren(...told.map(([name, o]) => figure('', typeof o === 'function' ? o() : o, '', name)));
  }

  function showAnswers() {
    clearTimeout(timer);
    const answers = asking.answers(), stages = answers.stages ?? [];
    message.textContent = answers.problem || (stages.length ? 'The answers:' : 'Draw one digit, large. The answers appear here.');
    list.replaceChildren(...stages.map(row));
    spoken.textContent = stages.map(o => `${o.title ?? o.approach}: ${o.digit}`).join(', ');
    details.hidden = !answers.steps?.length;
    if (answers.problem) details.open = true;
    showSteps();
    prepared.hidden = caption.hidden = !answers.prepared;
    if (!answers.prepared) return;
    const grey = prepared.getContext('2d'), image = grey.createImageData(28, 28);
    answers.prepared.forEach((ink, i) => image.data.set([255 - ink, 255 - ink, 255 - ink, 255], 4*i));
    grey.putImageData(image, 0, 0);
  }

  wipe();
  showAnswers();
  if (asking.drawing()) {      // a second view of the same pad
    const earlier = new Image();
    earlier.onload = () => pencil.drawImage(earlier, 0, 0);
    earlier.src = asking.drawing();
  }
  const deaf = asking.listen(showAnswers);
  return () => { clearTimeout(timer); deaf(); };
}

// How a notebook asks: Python answers, through the widget's model
function askPython(model) {
  return {
    examples: model.get('examples'), drawing: () => model.get('drawing'), answers: () => model.get('answers'),
    late: 'No answer from Python yet. Is it busy, or has the kernel stopped? If so, run this notebook again.',
    ask(drawing) {
      model.set('drawing', drawing);
      model.save_changes();
    },
    listen(f) {
      model.on('change:answers', f);
      return () => model.off('change:answers', f);
    } };
}

export default { render: ({ model, el }) => showPad(el, askPython(model)) };
