/**
 * How well `query` matches `text`: all its characters in order, better when they begin words or follow each other. Undefined
 * when it does not match; an empty query matches everything equally.
 */
export function fuzzyScore(query: string, text: string): number | undefined {
  const wanted = query.toLowerCase().replace(/\s+/g, '');
  const given = text.toLowerCase();
  let score = 0;
  let from = 0;
  let lastAt = -2;
  for (const character of wanted) {
    const at = bestPlace(given, character, from, lastAt);
    if (at < 0) return undefined;
    const beginsWord = at === 0 || /[\s\-/.:]/.test(given[at - 1] ?? '');
    score += at === lastAt + 1 ? 5 : beginsWord ? 4 : 1;
    lastAt = at;
    from = at + 1;
  }
  return score - text.length / 200;
}

/** Directly after the last match if it fits there, else the next beginning of a word, else anywhere. */
function bestPlace(text: string, character: string, from: number, lastAt: number): number {
  if (lastAt >= 0 && text[lastAt + 1] === character) return lastAt + 1;
  const next = text.indexOf(character, from);
  for (let at = next; at >= 0; at = text.indexOf(character, at + 1))
    if (at === 0 || /[\s\-/.:]/.test(text[at - 1] ?? '')) return at;
  return next;
}
