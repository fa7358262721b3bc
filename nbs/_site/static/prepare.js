// What `prepare_digit` does, in the browser: the ink of one digit on any paper, cut out, 20 pixels large, centred by
// mass. It follows mnist_stages/tools/paper.py and notebook 04 function by function; tests/test_site.py compares them.

globalThis.prepareDigit = (() => {
  const workingSide = 320, widest = 65, smallSide = 64, cleanSide = 128;
  const again = 'Give one digit, dark on light or light on dark, and nothing else near it.';

  class Refused extends Error {
    constructor(message, steps = []) { super(message); this.steps = steps; }
  }

  // Pictures of numbers, row by row

  function grid(h, w, data) { return { h, w, data: data ?? new Float32Array(h*w) }; }
  function map(a, f) {      // `from` with a function is ten times slower
    const out = new Float32Array(a.data.length);
    for (let i = 0; i < out.length; i++) out[i] = f(a.data[i]);
    return grid(a.h, a.w, out);
  }
  // A mask of what is larger
  function above(a, least) {
    const out = new Uint8Array(a.data.length);
    for (let i = 0; i < out.length; i++) if (a.data[i] > least) out[i] = 1;
    return grid(a.h, a.w, out);
  }
  function row(a, y) { return a.data.subarray(y*a.w, (y + 1)*a.w); }
  function clip(v, low = 0, high = 1) { return v < low ? low : v > high ? high : v; }
  function mean(data) {
    let sum = 0;
    for (let i = 0; i < data.length; i++) sum += data[i];
    return sum/data.length;
  }

  function roundEven(v) {
    const down = Math.floor(v), off = v - down;
    return off < .5 ? down : off > .5 ? down + 1 : down + down % 2;
  }

  function transposed(a) {
    const out = new a.data.constructor(a.h*a.w);
    for (let y = 0; y < a.h; y++) for (let x = 0; x < a.w; x++) out[x*a.h + y] = a.data[y*a.w + x];
    return grid(a.w, a.h, out);
  }

  function part(a, top, bottom, left, right) {
    const h = bottom - top, w = right - left, out = new a.data.constructor(h*w);
    for (let y = 0; y < h; y++) out.set(a.data.subarray((top + y)*a.w + left, (top + y)*a.w + right), y*w);
    return grid(h, w, out);
  }

  function padded(a, by, how = 'zero') {
    const out = put(grid(a.h + 2*by, a.w + 2*by, new a.data.constructor((a.h + 2*by)*(a.w + 2*by))), a, by, by);
    if (how === 'zero') return out;
    for (let y = by; y < by + a.h; y++) {
      const line = row(out, y);
      line.fill(line[by], 0, by).fill(line[by + a.w - 1], by + a.w);
    }
    for (let y = 0; y < by; y++) {
      row(out, y).set(row(out, by));
      row(out, by + a.h + y).set(row(out, by + a.h - 1));
    }
    return out;
  }

  // The numbers of a picture at these places
  function taken(a, places) {
    const out = new Float32Array(places.length);
    for (let k = 0; k < out.length; k++) out[k] = a.data[places[k]];
    return out;
  }

  // The numbers of a picture where a mask is 1
  function under(a, { data }) {
    const out = new Float32Array(data.length);
    let n = 0;
    for (let i = 0; i < data.length; i++) if (data[i]) out[n++] = a.data[i];
    return out.subarray(0, n);
  }

  // The k-th smallest number, in place
  function nth(data, k) {
    let left = 0, right = data.length - 1;
    while (left < right) {
      const pivot = data[(left + right) >> 1];
      let i = left, j = right;
      while (i <= j) {
        while (data[i] < pivot) i++;
        while (data[j] > pivot) j--;
        if (i <= j) { const o = data[i]; data[i] = data[j]; data[j] = o; i++; j--; }
      }
      if (k <= j) right = j;
      else if (k >= i) left = i;
      else return data[k];
    }
    return data[left];
  }

  function percentile(values, share) {
    const data = new Float32Array(values), at = (data.length - 1)*share/100, k = Math.floor(at), low = nth(data, k);
    if (at === k) return low;
    let high = Infinity;
    for (let i = k + 1; i < data.length; i++) if (data[i] < high) high = data[i];
    return low + (high - low)*(at - k);
  }

  // The median of `values` and of so many zeros more
  function median(values, more = 0) {
    let zeros = more, below = 0;
    for (let i = 0; i < values.length; i++) {
      if (values[i] === 0) zeros++;
      else if (values[i] < 0) below++;
    }
    const all = values.length + more;
    if (!below && zeros > all/2 + 1) return 0;      // mostly blank paper
    if (!more) return percentile(values, 50);
    const together = new Float32Array(all);
    together.set(values);
    return percentile(together, 50);
  }

  // `a` with `piece` in place of its part that begins at `top`, `left`
  function put(a, piece, top, left) {
    for (let y = 0; y < piece.h; y++)
      a.data.set(piece.data.subarray(y*piece.w, (y + 1)*piece.w), (top + y)*a.w + left);
    return a;
  }

  // A box with some room around it, within a picture
  function roomy([top, bottom, left, right], by, { h, w }) {
    return [Math.max(0, top - by), Math.min(h, bottom + by), Math.max(0, left - by), Math.min(w, right + by)];
  }

  function box(m) {
    let top = m.h, bottom = 0, left = m.w, right = 0;
    for (let y = 0; y < m.h; y++) for (let x = 0; x < m.w; x++) if (m.data[y*m.w + x]) {
      if (y < top) top = y;
      if (y >= bottom) bottom = y + 1;
      if (x < left) left = x;
      if (x >= right) right = x + 1;
    }
    return [top, bottom, left, right];
  }

  // Filters

  function reflected(i, n) {
    while (i < 0 || i >= n) i = i < 0 ? -1 - i : 2*n - 1 - i;
    return i;
  }

  // `line` fills a row from a row; with `where` it may leave out what is zero there
  function alongRows(a, line, where = null) {
    const out = grid(a.h, a.w);
    for (let y = 0; y < a.h; y++) line(row(a, y), row(out, y), where && row(where, y));
    return out;
  }

  // Down, then along; each with a mask of its own, or with none. The first one is turned, as the picture is.
  function bothWays(a, line, down = null, along = null) {
    return alongRows(transposed(alongRows(transposed(a), line, down)), line, along);
  }

  // (Both filters hand their buffers on as arguments: what a function finds around it is slow to reach.)

  function smoothed(from, to, weights, wide, where) {
    const n = from.length, radius = weights.length - 1;
    if (where && !where.includes(1)) return;
    wide.set(from, radius);
    for (let k = 0; k < radius; k++) {
      wide[radius - 1 - k] = from[reflected(-1 - k, n)];
      wide[radius + n + k] = from[reflected(n + k, n)];
    }
    for (let i = 0; i < n; i++) {
      if (where && !where[i]) continue;
      let v = weights[0]*wide[i + radius];
      for (let k = 1; k <= radius; k++) v += weights[k]*(wide[i + radius - k] + wide[i + radius + k]);
      to[i] = v;
    }
  }

  // With `where`, a mask, only the places that are 1 in it are worked out
  function gaussian(a, sigma, where = null) {
    const radius = Math.floor(4*sigma + .5), wide = new Float64Array(Math.max(a.h, a.w) + 2*radius);
    const weights = Float64Array.from({ length: radius + 1 }, (_, k) => Math.exp(-.5*(k/sigma)**2));
    const sum = weights.reduce((s, v, k) => s + (k ? 2 : 1)*v, 0);
    for (let k = 0; k <= radius; k++) weights[k] /= sum;
    function line(from, to, where) { smoothed(from, to, weights, wide, where); }
    const reached = where && transposed(alongRows(where, extreme(2*radius + 1)));
    return bothWays(a, line, reached, where);
  }

  // The largest number in a window around each place, by blocks: three comparisons a number
  function largestInWindows(from, to, size, sign, [wide, ahead, back]) {
    const n = from.length, r = (size - 1)/2, m = Math.ceil((n + 2*r)/size)*size;
    for (let i = 0; i < n; i++) wide[i + r] = sign*from[i];
    for (let i = 0; i < r; i++) wide[i] = sign*from[reflected(i - r, n)];
    for (let i = r + n; i < m; i++) wide[i] = sign*from[reflected(Math.min(i - r, n + r - 1), n)];
    for (let block = 0; block < m; block += size) {
      const end = block + size - 1;
      let most = ahead[block] = wide[block];
      for (let i = block + 1; i <= end; i++) {
        const v = wide[i];
        if (v > most) most = v;
        ahead[i] = most;
      }
      most = back[end] = wide[end];
      for (let i = end - 1; i >= block; i--) {
        const v = wide[i];
        if (v > most) most = v;
        back[i] = most;
      }
    }
    for (let i = 0; i < n; i++) {
      const v = back[i], w = ahead[i + 2*r];
      to[i] = sign*(v > w ? v : w);
    }
  }

  // A filter of rows: the largest number in a window of odd size, or with a sign of -1 the smallest
  function extreme(size, sign = 1) {
    let buffers = null;
    return (from, to) => {
      let same = 1;
      while (same < from.length && from[same] === from[0]) same++;
      if (same === from.length) { to.fill(from[0]); return; }     // as blank paper is
      const m = from.length + 2*size;
      if (!buffers || buffers[0].length < m) buffers = [0, 1, 2].map(() => new Float32Array(m));
      largestInWindows(from, to, size, sign, buffers);
    };
  }

  // Largest, then smallest: what is dark and narrower than the window is filled
  function closed(a, window) {
    const r = (window - 1)/2, high = extreme(window), low = extreme(window, -1);
    // the edge goes on outside; turning once in the middle does both directions
    let o = transposed(alongRows(padded(a, r, 'edge'), high));
    o = transposed(alongRows(alongRows(o, high), low));
    return part(alongRows(o, low), r, r + a.h, r, r + a.w);
  }

  // How far each place with a number is from the nearest zero: along its row, then over the rows above and below
  function distance(m, where = m) {
    const { h, w } = m, far = h + w, along = new Int32Array(h*w), out = grid(h, w);
    for (let y = 0; y < h; y++) {
      let away = far;
      for (let i = y*w; i < (y + 1)*w; i++) along[i] = away = m.data[i] ? away + 1 : 0;
      away = far;
      for (let i = (y + 1)*w - 1; i >= y*w; i--) {
        away = m.data[i] ? away + 1 : 0;
        if (away < along[i]) along[i] = away;
      }
    }
    for (let y = 0; y < h; y++) for (let x = 0; x < w; x++) {
      const i = y*w + x;
      if (!where.data[i]) continue;
      let best = along[i]**2;
      for (let k = 1; k*k < best && (k <= y || k < h - y); k++) {
        if (k <= y) best = Math.min(best, k*k + along[i - k*w]**2);
        if (k < h - y) best = Math.min(best, k*k + along[i + k*w]**2);
      }
      out.data[i] = Math.sqrt(best);
    }
    return out;
  }

  // Thinning after T. Zhang and C. Suen (1984), as scikit-image varies it: for each neighbourhood of eight, in which of
  // two rounds a pixel goes (1, 2, or 3 for both). Found by asking its `skeletonize` about small pictures.
  const goes = Uint8Array.from(
    '0001001300111013000000002020303300000000300000000000000020003022' +
    '0000000000000000000000000000000020000000200020003000000030003020' +
    '0031001300000001000000000000000131000000000000002000000000000000' +
    '2313001300000001000000000000000023010001000000003301000022002000');

  function skeleton(m) {
    const a = padded(m, 1), { w, data } = a;
    const there = new Int32Array(data.length), gone = new Int32Array(data.length);
    let n = 0;
    for (let i = 0; i < data.length; i++) if (data[i]) there[n++] = i;
    for (let before = n + 1; n < before;) {
      before = n;
      for (const round of [1, 2]) {
        let stay = 0, go = 0;
        for (let k = 0; k < n; k++) {
          const i = there[k];
          if (round & goes[
            data[i - w - 1] | data[i - w] << 1 | data[i - w + 1] << 2 | data[i + 1] << 3 |
            data[i + w + 1] << 4 | data[i + w] << 5 | data[i + w - 1] << 6 | data[i - 1] << 7]) gone[go++] = i;
          else there[stay++] = i;
        }
        for (let k = 0; k < go; k++) data[gone[k]] = 0;
        n = stay;
      }
    }
    return part(a, 1, a.h - 1, 1, a.w - 1);
  }

  // Another size, as Pillow does it

  const kernels = {
    box: [.5, x => x > -.5 && x <= .5 ? 1 : 0],
    bicubic: [2, x => {
      const a = -.5;
      x = Math.abs(x);
      return x < 1 ? ((a + 2)*x - (a + 3))*x*x + 1 : x < 2 ? (((x - 5)*x + 8)*x - 4)*a : 0;
    }] };

  function resizedRows(a, n, how) {
    if (n === a.w) return a;
    const [reach, kernel] = kernels[how], scale = a.w/n, wide = Math.max(scale, 1), out = grid(a.h, n);
    for (let i = 0; i < n; i++) {
      const centre = (i + .5)*scale, from = Math.max(0, Math.floor(centre - reach*wide + .5));
      const to = Math.min(a.w, Math.floor(centre + reach*wide + .5)), weights = [];
      for (let x = from; x < to; x++) weights.push(kernel((x - centre + .5)/wide));
      const sum = weights.reduce((s, v) => s + v, 0);
      for (let y = 0; y < a.h; y++) {
        let v = 0;
        for (let x = from; x < to; x++) v += a.data[y*a.w + x]*weights[x - from]/sum;
        out.data[y*n + i] = v;
      }
    }
    return out;
  }

  function resized(a, h, w, how = 'bicubic') {
    return transposed(resizedRows(transposed(resizedRows(a, w, how)), h, how));
  }

  // What is narrow and darker (or lighter) than its surroundings

  // Outside of `region` there is nothing but white, and so no response.
  function narrow(whole, dark, window = widest, region = [0, whole.h, 0, whole.w]) {
    let channel = part(whole, ...region);
    if (!dark) channel = map(channel, v => 1 - v);
    const filled = closed(channel, window), { h, w } = channel, response = grid(h, w), depth = grid(h, w);
    for (let i = 0; i < h*w; i++) {
      const v = channel.data[i], c = filled.data[i];
      response.data[i] = dark ? 1 - (v + .04)/(c + .04) : 1 - (1 - c + .04)/(1 - v + .04);
      depth.data[i] = c - v;
    }
    const blank = whole.data.length - h*w, usual = median(response.data, blank), off = new Float32Array(h*w);
    for (let i = 0; i < h*w; i++) {
      off[i] = Math.abs(response.data[i] - usual);
      response.data[i] = clip((response.data[i] - usual)/(1 - usual));
    }
    return [response, 1.5*(usual ? median([...off, ...Array(blank).fill(usual)]) : median(off, blank)), depth];
  }

  // Grey, a mask of what is not white, and whether there is any colour
  function greyOf([red, green, blue]) {
    const { h, w } = red, grey = grid(h, w), inside = grid(h, w, new Uint8Array(h*w));
    let coloured = false;
    for (let i = 0; i < h*w; i++) {
      const r = red.data[i], g = green.data[i], b = blue.data[i];
      grey.data[i] = .299*r + .587*g + .114*b;
      if (r < 1 || g < 1 || b < 1) {
        inside.data[i] = 1;
        coloured ||= Math.max(r, g, b) - Math.min(r, g, b) > .1;
      }
    }
    return [grey, inside, coloured];
  }

  function* responses([red, green, blue]) {
    const { h, w } = red, [grey, inside, coloured] = greyOf([red, green, blue]);
    // a drawing leaves much of its paper white, and there is nothing to be found there
    const found = box(inside), region = found[0] < found[1] ? roomy(found, 4, red) : [0, h, 0, w];
    const channels = (coloured ? [grey, red, green, blue] : [grey]).map(o =>
      put(grid(h, w, new Float32Array(h*w).fill(1)), gaussian(part(o, ...region), .8), region[0], region[2]));
    function third(a) {
      const h = Math.ceil(a.h/3), w = Math.ceil(a.w/3), out = grid(h, w);
      for (let y = 0; y < h; y++) for (let x = 0; x < w; x++) out.data[y*w + x] = a.data[3*y*a.w + 3*x];
      return out;
    }
    for (const dark of [true, false]) {
      let best = channels[0], clearest = -1;
      if (coloured) channels.forEach((channel, i) => {
        const [response, noise] = narrow(third(channel), dark, Math.floor(widest/3));
        const clear = percentile(response.data, 99.7)/(noise + .02)*(i ? 1 : 1.25);
        if (clear > clearest) [best, clearest] = [channel, clear];
      });
      yield [dark, best, ...narrow(best, dark, widest, region), region];
    }
  }

  // Lines from edge to edge

  function sheared(a, tilt) {
    const out = grid(a.h, a.w, new Uint8Array(a.h*a.w));
    for (let x = 0; x < a.w; x++) {
      const by = roundEven(tilt*(x - a.w/2));
      for (let y = 0; y < a.h; y++) out.data[y*a.w + x] = a.data[clip(y + by, 0, a.h - 1)*a.w + x];
    }
    return out;
  }

  function linesAcross(response, noise) {
    const { h, w } = response, sh = Math.ceil(h/2), sw = Math.ceil(w/2), small = grid(sw, sh);
    for (let y = 0; y < h; y++) for (let x = 0; x < w; x++) {      // turned, so that the filter goes along rows
      const i = (x >> 1)*sh + (y >> 1);
      small.data[i] = Math.max(small.data[i], response.data[y*w + x]);
    }
    const thick = transposed(alongRows(small, extreme(3))), end = Math.max(2, Math.floor(Math.floor(w/2)/12));
    const least = Math.max(2.5*noise, .03, 1.5*median(thick.data)), there = above(thick, least);
    const found = grid(sh, sw, new Uint8Array(sh*sw)), out = grid(h, w, new Uint8Array(h*w));
    // most drawings stay away from the edges, and then there is nothing to look for
    if (![[0, end], [sw - end, sw]].every(([from, to]) => part(there, 0, sh, from, to).data.some(v => v))) return out;
    for (let k = 0; k < 13; k++) {
      const tilt = -.09 + .015*k, a = sheared(there, tilt), rows = grid(sh, sw, new Uint8Array(sh*sw));
      let any = false;
      for (let y = 0; y < sh; y++) {
        const line = a.data.subarray(y*sw, (y + 1)*sw);
        if (mean(line) > .7 && mean(line.subarray(0, end)) > .5 && mean(line.subarray(sw - end)) > .5) {
          rows.data.fill(1, y*sw, (y + 1)*sw);
          any = true;
        }
      }
      if (any) sheared(rows, -tilt).data.forEach((v, i) => { found.data[i] |= v; });
    }
    if (mean(found.data) > .7) return out;
    for (let y = 0; y < h; y++) for (let x = 0; x < w; x++) out.data[y*w + x] = found.data[(y >> 1)*sw + (x >> 1)];
    return out;
  }

  // `found` is the response in a region of a picture of `h` rows and `w` columns
  function withoutLines(found, noise, region, h, w) {
    const [top, bottom, left, right] = region, [high, wide] = [h, w].map(o => 2*Math.max(2, Math.floor(o/24)) + 2);
    if ((left > wide || right < w - wide) && (top > high || bottom < h - high)) return found;      // nothing at an edge
    let response = put(grid(h, w), found, top, left);
    for (const turned of [false, true]) {
      let r = turned ? transposed(response) : response;
      const lines = linesAcross(r, noise);
      if (lines.data.some(v => v)) {
        const cut = grid(r.h, r.w, r.data.map((v, i) => lines.data[i] ? 0 : v));
        const bridged = transposed(alongRows(alongRows(transposed(cut), extreme(9)), extreme(9, -1)));
        r = grid(r.h, r.w, r.data.map((v, i) => lines.data[i] ? Math.min(v, bridged.data[i]) : v));
      }
      response = turned ? transposed(r) : r;
    }
    return part(response, ...region);
  }

  // The pieces that make up one digit

  // Lists of the pixels, which touch each other at sides or corners
  function connected(m) {
    const { w, data: left } = padded(m, 1), found = new Int32Array(m.data.length), pieces = [];
    const around = [-w - 1, -w, -w + 1, -1, 1, w - 1, w, w + 1];
    let begin = 0;
    for (let start = 0; start < left.length; start++) {
      if (!left[start]) continue;
      let end = begin;
      found[end++] = start;
      left[start] = 0;
      for (let next = begin; next < end; next++) for (let k = 0; k < 8; k++) {
        const i = found[next] + around[k];
        if (left[i]) { left[i] = 0; found[end++] = i; }
      }
      const pixels = found.subarray(begin, end);
      for (let k = 0; k < pixels.length; k++) pixels[k] -= w + 2*Math.floor(pixels[k]/w) - 1;       // without the border
      pieces.push(pixels);
      begin = end;
    }
    return pieces;
  }

  function piecesOf(response, noise, [down, , across]) {
    const least = Math.max(5*noise, .05), { h, w } = response, pieces = [];
    for (let pixels of connected(above(response, least))) {
      if (pixels.length < 10) continue;
      const values = taken(response, pixels), full = percentile(values, 85);
      pixels = pixels.filter(i => response.data[i] > .35*full);
      if (pixels.length < 6) continue;
      let top = h, bottom = 0, left = w, right = 0;
      for (const i of pixels) {
        const y = Math.floor(i/w), x = i % w;
        top = Math.min(top, y); bottom = Math.max(bottom, y + 1);
        left = Math.min(left, x); right = Math.max(right, x + 1);
      }
      const m = grid(bottom - top, right - left, new Uint8Array((bottom - top)*(right - left)));
      for (const i of pixels) m.data[(Math.floor(i/w) - top)*m.w + i % w - left] = 1;
      const place = [top + down, bottom + down, left + across, right + across];
      pieces.push({ box: place, full, pixels: pixels.length, sum: values.reduce((s, v) => s + v, 0), mask: m });
    }
    return pieces;
  }

  function sizeOf({ box: [top, bottom, left, right] }) { return Math.max(bottom - top, right - left); }

  function isBlot(p) { return p.blot ??= fillsADisc(p); }

  function fillsADisc(p) {
    // a disc of radius r has more than 3(r - 1)² pixels
    if (p.pixels < 3*Math.max(0, .31*sizeOf(p) - 1)**2) return false;
    let most = 0;
    for (const v of distance(padded(p.mask, 1)).data) if (v > most) most = v;
    return 2*most > .62*sizeOf(p);
  }

  function atMargin({ box: [top, bottom, left, right] }, h, w) {
    return bottom < h/8 || top > h*7/8 || right < w/8 || left > w*7/8;
  }

  function touches({ box: [top, bottom, left, right] }, h, w) {
    return Math.min(top, left) <= 1 || bottom >= h - 1 || right >= w - 1;
  }

  function gap({ box: [top, bottom, left, right] }, { box: [top2, bottom2, left2, right2] }) {
    return [Math.max(0, top2 - bottom, top - bottom2), Math.max(0, left2 - right, left - right2)];
  }

  function shareColumns({ box: [, , left, right] }, { box: [, , left2, right2] }) {
    return Math.min(right, right2) - Math.max(left, left2) > .4*Math.min(right - left, right2 - left2);
  }

  function strokesOf(pieces, h, w) {
    const found = pieces.filter(p => !touches(p, h, w) && !isBlot(p)), middle = found.filter(p => !atMargin(p, h, w));
    return (middle.length ? middle : found).sort((p, q) => q.sum*q.full - p.sum*p.full);
  }

  function contrastOf(channel, p, dark) {
    const [top, bottom, left, right] = p.box, room = Math.max(8, Math.floor(sizeOf(p)/2));
    const near = part(channel, Math.max(0, top - room), Math.min(channel.h, bottom + room),
      Math.max(0, left - room), Math.min(channel.w, right + room));
    const around = median(near.data), level = mean(under(part(channel, ...p.box), p.mask));
    return dark ? 1 - (level + .04)/(around + .04) : 1 - (around + .04)/(level + .04);
  }

  function digitOf(pieces, h, w) {
    const central = strokesOf(pieces, h, w);
    if (!central.length) {
      if (!pieces.length) throw new Refused(`There is nothing written in this picture, or it is too faint. ${again}`);
      if (pieces.every(p => touches(p, h, w)))
        throw new Refused(`What is written touches the edge of the picture. ${again}`);
      throw new Refused(`There is a blot in this picture, and nothing written. ${again}`);
    }
    const main = central[0], size = sizeOf(main), share = size/Math.max(h, w);
    if (share < 1/24) throw new Refused(`What is written is too small: ${roundEven(100*share)}% of the picture. ` +
      'Come closer, so that the digit fills a good part of it.');
    const digit = [main];
    let rest = central.filter(p => p !== main && p.full > .4*main.full && sizeOf(p) > .12*size);
    for (let grown = true; grown;) {
      grown = false;
      for (const p of [...rest]) {
        const [dy, dx] = digit.map(q => gap(p, q)).sort((a, b) => a[0] - b[0] || a[1] - b[1])[0];
        const over = digit.some(q => shareColumns(p, q));
        if ((dx < .1*size && dy < .1*size) || (over && dy < .2*size)) {
          digit.push(p);
          rest = rest.filter(o => o !== p);
          grown = true;
        }
      }
    }
    const ends = [Math.min, Math.max, Math.min, Math.max];
    const [top, bottom, left, right] = ends.map((f, i) => f(...digit.map(p => p.box[i])));
    const shape = (right - left)/(bottom - top);
    if (rest.some(p => sizeOf(p) > .45*size) || (1.55 < shape && shape < 3))
      throw new Refused(`There is more than one digit in this picture. ${again}`);
    const m = grid(h, w, new Uint8Array(h*w));
    for (const p of digit) p.mask.data.forEach((v, i) => {
      if (v) m.data[(p.box[0] + Math.floor(i/p.mask.w))*w + p.box[2] + i % p.mask.w] = 1;
    });
    return m;
  }

  // Strokes of a usual width

  function widthOf(m) {
    const [top, bottom, left, right] = box(m);
    if (bottom <= top) return 0;
    const a = padded(part(m, top, bottom, left, right), 1);
    const thin = skeleton(a), widths = under(distance(a, thin), thin);
    return 20*(2*median(widths) - .5)/Math.max(bottom - top, right - left);
  }

  function inked(a) { return above(a, .5); }

  function thinned(ink, highest) {
    let thin;
    for (let k = 0; k < 10; k++) {
      const least = .05*k;
      thin = map(ink, v => clip((v - least)/(1 - least)));
      if (widthOf(inked(thin)) <= highest) break;
    }
    return thin;
  }

  function evenStrokes(ink, usual = 2.4, lowest = 1.5, highest = 3.9) {
    function ordinary(a) { const width = widthOf(inked(a)); return lowest <= width && width <= highest; }
    if (ordinary(ink)) return ink;
    const thin = thinned(ink, highest);
    if (ordinary(thin)) return thin;
    const m = padded(inked(ink), 2);
    if (!m.data.some(v => v)) return ink;
    const lines = skeleton(m), [top, bottom, left, right] = box(lines), long = Math.max(bottom - top, right - left, 1);
    const width = usual*long/(20 - usual);
    return map(distance(map(padded(lines, Math.ceil(width) + 1), v => !v)), v => clip(width/2 - v + .5));
  }

  // The ink

  function isSmall(channels) {
    const { h, w } = channels[0], longest = Math.max(h, w);
    if (longest <= smallSide) return true;
    if (longest > cleanSide) return false;
    return [(i, x) => i === 0 || i === h - 1, (i, x) => x === 0 || x === w - 1].every(edge => {
      const values = channels.flatMap(o => [...o.data].filter((_, i) => edge(Math.floor(i/w), i % w)));
      return Math.max(...values) - Math.min(...values) < .02;
    });
  }

  function inkOfSmall(grey) {
    const { h, w } = grey, edge = [...grey.data].filter((_, i) => {
      const y = Math.floor(i/w), x = i % w;
      return !y || !x || y === h - 1 || x === w - 1;
    });
    const paper = median(edge), noise = 1.5*median(edge.map(v => Math.abs(v - paper)));
    let ink = map(grey, v => v - paper), sum = 0, most = -Infinity;
    for (const v of ink.data) sum += v**3;
    if (sum < 0) ink = map(ink, v => -v);
    for (const v of ink.data) most = Math.max(most, v);
    if (most < Math.max(.1, 6*noise))
      throw new Refused(`There is nothing written in this picture, or it is too faint. ${again}`);
    const full = percentile(ink.data.filter(v => v > most/2), 90);
    return map(ink, v => clip((v - 3*noise)/(full - 3*noise)));
  }

  function findInk(channels, steps) {
    if (isSmall(channels)) {
      const grey = grid(channels[0].h, channels[0].w,
        channels[0].data.map((v, i) => (v + channels[1].data[i] + channels[2].data[i])/3));
      steps.push(['the picture', grey]);
      let ink = inkOfSmall(grey);
      if (Math.max(ink.h, ink.w) > smallSide) ink = thinned(ink, 3.9);
      steps.push(['ink', ink]);
      return ink;
    }
    const shrink = Math.max(channels[0].h, channels[0].w)/workingSide;
    function reduced(n) { return Math.max(1, roundEven(n/shrink)); }
    if (shrink > 1) channels = channels.map(o => resized(o, reduced(o.h), reduced(o.w), 'box'));
    const { h, w } = channels[0];
    let best = -1, response, clean, pieces, shades, at;
    for (const [dark, channel, found, noise, depth, region] of responses(channels)) {
      const without = withoutLines(found, noise, region, h, w), candidates = piecesOf(without, noise, region);
      const strokes = strokesOf(candidates, h, w);
      const contrast = strokes.length ? contrastOf(channel, strokes[0], dark) : 0;
      if (contrast > best) {
        [best, response, clean, pieces, at] = [contrast, found, without, candidates, region];
        shades = dark ? clean : grid(depth.h, depth.w,
          depth.data.map((v, i) => v*without.data[i]/Math.max(found.data[i], 1e-6)));
      }
    }
    [response, clean, shades] = [response, clean, shades].map(o => put(grid(h, w), o, at[0], at[2]));
    steps.push(['the picture', channels], ['what is narrow', response], ['without lines', clean]);
    const m = digitOf(pieces, h, w), near = grid(h, w, new Uint8Array(h*w));
    m.data.forEach((v, i) => {      // two steps away, up, down, left or right
      if (!v) return;
      const y = Math.floor(i/w), x = i % w;
      for (let dy = -2; dy <= 2; dy++) for (let dx = Math.abs(dy) - 2; dx <= 2 - Math.abs(dy); dx++)
        if (y + dy >= 0 && y + dy < h && x + dx >= 0 && x + dx < w) near.data[(y + dy)*w + x + dx] = 1;
    });
    const darkest = .3*percentile(under(shades, m), 75);
    // what both filters reach, and no more
    const region = roomy(box(near), 36, near), [by, dark] = [near, shades].map(o => part(o, ...region));
    const around = bothWays(grid(by.h, by.w, dark.data.map((v, i) => v*by.data[i])), extreme(25));
    const full = gaussian(around, 6, by), ink = grid(by.h, by.w);
    for (let i = 0; i < ink.data.length; i++) {
      const most = Math.max(full.data[i], darkest);
      ink.data[i] = by.data[i] && clip((dark.data[i] - .25*most)/(.6*most));
    }
    const even = evenStrokes(ink);
    steps.push(['one digit', put(grid(h, w), ink, region[0], region[2])], ['strokes evened', even]);
    return even;
  }

  // Notebook 04's three steps

  function cropToInk(ink) {
    const there = above(ink, .4);
    if (!there.data.some(v => v)) throw new Refused(`There is no ink in this picture. ${again}`);
    return part(ink, ...box(there));
  }

  function scaleToBox(ink, side = 20) {
    const longest = Math.max(ink.h, ink.w), [h, w] = [ink.h, ink.w].map(o => Math.max(1, roundEven(side*o/longest)));
    return map(resized(ink, h, w), v => clip(v));
  }

  function centreByMass(ink, side = 28) {
    let sum = 0, down = 0, right = 0;
    ink.data.forEach((v, i) => { sum += v; down += v*Math.floor(i/ink.w); right += v*(i % ink.w); });
    const [top, left] = [[down, ink.h], [right, ink.w]].map(([o, size]) =>
      clip(Math.floor(side/2 - o/sum + .5), 0, side - size));
    const out = grid(side, side);
    for (let y = 0; y < ink.h; y++) out.data.set(ink.data.subarray(y*ink.w, (y + 1)*ink.w), (top + y)*side + left);
    return out;
  }

  // `image` is an ImageData without transparency; the result a Float32Array of 784 numbers from 0 (paper) to 1 (ink)
  return image => {
    const { width: w, height: h, data } = image, steps = [];
    const channels = [0, 1, 2].map(c => {
      const a = grid(h, w);
      for (let i = 0; i < h*w; i++) a.data[i] = data[4*i + c]/255;
      return a;
    });
    try {
      const small = scaleToBox(cropToInk(findInk(channels, steps))), prepared = centreByMass(small);
      steps.push(['scaled to 20', small], ['centred in 28 × 28', prepared]);
      return { prepared: prepared.data, steps };
    } catch (e) {
      if (e instanceof Refused) e.steps = steps;
      throw e;
    }
  };
})();
