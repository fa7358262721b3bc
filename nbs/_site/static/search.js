// Search over all sections: each result leads to its heading. `window.sections` is made by the build.

(() => {
  const most = 50, around = 90;
  const query = (new URLSearchParams(location.search).get('q') ?? '').trim();
  const field = document.querySelector('#search-again input'), list = document.querySelector('#search-results');
  const summary = document.querySelector('#search-summary');
  field.value = query;
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  if (!words.length) { summary.textContent = 'Type one word or more.'; field.focus(); return; }

  function count(text, word) { return text.split(word).length - 1; }

  function score([, , , title, text]) {
    const low = title.toLowerCase(), body = text.toLowerCase();
    let sum = 0;
    for (const word of words) {
      const here = 20*count(low, word) + Math.min(10, count(body, word));
      if (!here) return 0;
      sum += here;
    }
    return sum;
  }

  // the words in question become bold
  function marked(text) {
    const parts = [], low = text.toLowerCase();
    let end = 0;
    while (end < text.length) {
      const all = words.map(w => [low.indexOf(w, end), w.length]).filter(([i]) => i >= 0);
      const found = all.sort((a, b) => a[0] - b[0])[0];
      if (!found) break;
      const bold = document.createElement('mark');
      bold.textContent = text.slice(found[0], found[0] + found[1]);
      parts.push(text.slice(end, found[0]), bold);
      end = found[0] + found[1];
    }
    return [...parts, text.slice(end)];
  }

  function snippet(text) {
    const low = text.toLowerCase(), at = Math.max(0, Math.min(...words.map(w => low.indexOf(w)).filter(i => i >= 0)));
    const from = Math.max(0, (isFinite(at) ? at : 0) - around);
    return (from ? '… ' : '') + text.slice(from, from + 2.5*around) + (from + 2.5*around < text.length ? ' …' : '');
  }

  const found = window.sections.map(o => [score(o), o]).filter(([s]) => s).sort((a, b) => b[0] - a[0]);
  summary.textContent = found.length ? `${found.length} section${found.length > 1 ? 's' : ''} with “${query}”` +
    (found.length > most ? `, of which the first ${most}:` : ':') : `Nothing found for “${query}”.`;
  for (const [, [page, anchor, name, title, text]] of found.slice(0, most)) {
    const item = document.createElement('li'), link = document.createElement('a'), said = document.createElement('p');
    link.href = `${page}#${anchor}`;
    link.append(...marked(title === name ? title : `${name} › ${title}`));
    said.append(...marked(snippet(text)));
    item.append(link, said);
    list.append(item);
  }
})();
